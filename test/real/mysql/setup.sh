#!/bin/sh
# Installs what the MySQL suite needs (Debian, root): a MariaDB server to run privately, and PHP to run WordPress with.
set -eu
if command -v mariadbd >/dev/null && php -r 'exit( extension_loaded( "mysqli" ) && extension_loaded( "mbstring" ) ? 0 : 1 );' 2>/dev/null; then
	exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends mariadb-server php-cli php-mysql php-mbstring php-xml php-curl
