import { resolve } from 'node:path';
import { IgnoreMode } from 'aws-cdk-lib';
import { DockerImageAsset, Platform } from 'aws-cdk-lib/aws-ecr-assets';
import type { Construct } from 'constructs';

const ROOT = resolve(import.meta.dirname, '../../..');
/** The nodes are x86-64; a build on another machine would give "exec format error" there. */
const NODES = Platform.LINUX_AMD64;

/** What wordpress/image/Dockerfile copies, and with it what makes a new image. */
export function cloneImage(scope: Construct): DockerImageAsset {
	return image(scope, 'WordPress', 'wordpress/image/Dockerfile', ['bin/clone-image.ts', 'core', 'adapters', 'wordpress']);
}

/** The worker as a container (`worker: "eks"`). */
export function consumerImage(scope: Construct): DockerImageAsset {
	return image(scope, 'Worker', 'k8s/consumer/Dockerfile', [
		'core',
		'adapters',
		'k8s',
		'lambdas',
		'wordpress/custom-migrator',
		'bin/consumer.ts',
		'bin/bundle-consumer.ts',
		'bin/consumer',
	]);
}

const ALWAYS = ['package.json', 'package-lock.json', '.npmrc', 'tsconfig.json'];

function image(scope: Construct, id: string, file: string, files: readonly string[]): DockerImageAsset {
	return new DockerImageAsset(scope, id, {
		directory: ROOT,
		file,
		platform: NODES,
		ignoreMode: IgnoreMode.DOCKER,
		exclude: allBut([...files, ...ALWAYS, file]),
	});
}

/** Patterns that leave out all but `paths`. The later counts: each folder above them is taken in, without what is in it, first. */
function allBut(paths: readonly string[]): string[] {
	const above = paths.flatMap((path) => {
		const parts = path.split('/').slice(0, -1);
		return parts.map((_part, index) => parts.slice(0, index + 1).join('/'));
	});
	const outermostFirst = [...new Set(above)].sort((a, b) => a.length - b.length);
	return [
		'**',
		...outermostFirst.flatMap((folder) => [`!${folder}`, `${folder}/**`]),
		...paths.flatMap((path) => [`!${path}`, `!${path}/**`]),
	];
}
