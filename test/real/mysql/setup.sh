#!/bin/sh
# Installs what the MySQL suite needs (Debian, root): a MariaDB server to run privately, and PHP to run WordPress and clones with.
set -eu
if command -v mariadbd >/dev/null && command -v openssl >/dev/null && php -r 'exit( extension_loaded( "pdo_mysql" ) && extension_loaded( "pdo_sqlite" ) && extension_loaded( "mbstring" ) ? 0 : 1 );' 2>/dev/null; then
	exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends mariadb-server openssl php-cli php-mysql php-sqlite3 php-mbstring php-xml php-curl
