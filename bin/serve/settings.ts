/** Settings of the one-machine service: flags of `npm start`. All faults are reported together. */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { MYSQL_OPTIONS, MYSQL_USAGE, type MysqlSettings, parseMysqlSettings } from './mysql-settings.ts';

export interface ServeSettings {
	readonly host: string;
	readonly port: number;
	readonly data: string;
	readonly cache: string;
	readonly warm: number;
	readonly workers: number;
	readonly allowPrivateSites: boolean;
	/** Clone requests a minute and owner; Infinity: no limit. */
	readonly requestsPerMinute: number;
	readonly clonesPerOwner: number | null;
	readonly sweepSeconds: number;
	/** Metrics as lines of JSON on standard error, beside the log. */
	readonly metrics: boolean;
	/** A cluster to run the clones on; null: this machine. */
	readonly kubernetes: KubernetesSettings | null;
	/** The database server of clones on MySQL; null: none, and no such clones. */
	readonly mysql: MysqlSettings | null;
}

export interface KubernetesSettings {
	/** Null: the usual places (KUBECONFIG, ~/.kube/config, a pod's own account). */
	readonly kubeconfig: string | null;
	/** The name of an EKS cluster to find by AWS's own API, in place of a kubeconfig. */
	readonly eksCluster: string | null;
	readonly namespace: string;
	readonly image: string;
	readonly phpVersion: string;
	readonly wpVersion: string;
	readonly domain: string;
	readonly scheme: 'http' | 'https';
	readonly keepFinishedSeconds: number;
}

export const USAGE = `npm start -- [options]
  --port N                 where to listen (8080; 0: any free port)
  --address A              on which address (127.0.0.1)
  --data DIR               where everything is kept (.data)
  --cache DIR              where WordPress is kept between runs (~/.cache/wp-clone)
  --warm N                 booted clones kept ready (1; each takes about 250 MB)
  --workers N              jobs carried on at once (4)
  --host HOST              what runs the clones: playground, or kubernetes (playground)
  --allow-private-sites    clone sites at private and loopback addresses too
  --requests-per-minute N  clone requests an owner may make (60; 0: no limit)
  --clones-per-owner N     live clones an owner may have (50; 0: no limit)
  --sweep-seconds N        how often to look for what was lost (60)
  --metrics                metrics as lines of JSON beside the log
with --host kubernetes
  --kubeconfig FILE        which cluster ($KUBECONFIG)
  --eks-cluster NAME       an EKS cluster by its name, with the AWS credentials at hand
  --clone-image NAME       the clone image, with its tag or digest
  --clone-php VERSION      what the image holds (8.4)
  --clone-wordpress V      what the image holds
  --clone-domain NAME      clones are at {clone_id}.NAME
  --clone-scheme SCHEME    http or https (https)
  --namespace NAME         where clones live (clones)
  --keep-finished N        seconds that a finished clone's Job is kept (120)
${MYSQL_USAGE}`;

/** @throws Error whose message lists every fault and the usage. */
export function parseServeSettings(argv: readonly string[], environment: Readonly<Record<string, string | undefined>>): ServeSettings {
	const faults: string[] = [];
	const read = (): Record<string, string | boolean | undefined> => {
		try {
			return parseArgs({
				args: [...argv],
				options: {
					port: { type: 'string', default: '8080' },
					address: { type: 'string', default: '127.0.0.1' },
					data: { type: 'string', default: '.data' },
					cache: { type: 'string' },
					warm: { type: 'string', default: '1' },
					workers: { type: 'string', default: '4' },
					host: { type: 'string', default: 'playground' },
					'allow-private-sites': { type: 'boolean', default: false },
					'requests-per-minute': { type: 'string', default: '60' },
					'clones-per-owner': { type: 'string', default: '50' },
					'sweep-seconds': { type: 'string', default: '60' },
					metrics: { type: 'boolean', default: false },
					kubeconfig: { type: 'string' },
					'eks-cluster': { type: 'string' },
					'clone-image': { type: 'string' },
					'clone-php': { type: 'string', default: '8.4' },
					'clone-wordpress': { type: 'string' },
					'clone-domain': { type: 'string' },
					'clone-scheme': { type: 'string', default: 'https' },
					namespace: { type: 'string', default: 'clones' },
					'keep-finished': { type: 'string', default: '120' },
					...MYSQL_OPTIONS,
					help: { type: 'boolean', default: false },
				},
			}).values;
		} catch (error) {
			throw new Error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`, { cause: error });
		}
	};
	const values = read();
	const integer = (name: string, least: number, most: number): number => {
		const text = String(values[name]);
		const value = Number(text);
		if (!/^\d+$/.test(text) || value < least || value > most)
			faults.push(`--${name} is a whole number from ${least} to ${most}, not "${text}".`);
		return value;
	};
	const noLimit = (value: number): number | null => (value === 0 ? null : value);
	const required = (name: string, form: RegExp): string => {
		const text = String(values[name] ?? '');
		if (!form.test(text)) faults.push(`--host kubernetes needs --${name}${text === '' ? '' : `, which cannot be "${text}"`}.`);
		return text;
	};
	const kubernetes = (): KubernetesSettings => ({
		kubeconfig: typeof values.kubeconfig === 'string' ? resolve(values.kubeconfig) : null,
		eksCluster: values['eks-cluster'] === undefined ? null : required('eks-cluster', /^[0-9A-Za-z][\w-]{0,99}$/),
		namespace: required('namespace', /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/),
		image: required('clone-image', /^\S+[:@]\S+$/),
		phpVersion: required('clone-php', /^\d+\.\d+$/),
		wpVersion: required('clone-wordpress', /^\d+\.\d+(\.\d+)?$/),
		domain: required('clone-domain', /^[a-z0-9-]+(\.[a-z0-9-]+)+$/),
		scheme: required('clone-scheme', /^https?$/) === 'http' ? 'http' : 'https',
		keepFinishedSeconds: integer('keep-finished', 0, 86_400),
	});
	if (values.host !== 'playground' && values.host !== 'kubernetes') {
		faults.push(`--host is "playground" or "kubernetes", not "${String(values.host)}".`);
	}
	if (values.kubeconfig !== undefined && values['eks-cluster'] !== undefined) {
		faults.push('--kubeconfig and --eks-cluster both say which cluster: give one.');
	}
	const cacheHome = environment.XDG_CACHE_HOME || join(homedir(), '.cache');
	const settings: ServeSettings = {
		host: String(values.address),
		port: integer('port', 0, 65_535),
		data: resolve(String(values.data)),
		cache: resolve(typeof values.cache === 'string' ? values.cache : (environment.WP_CLONE_CACHE ?? join(cacheHome, 'wp-clone'))),
		warm: integer('warm', 0, 20),
		workers: integer('workers', 1, 64),
		allowPrivateSites: values['allow-private-sites'] === true,
		requestsPerMinute: noLimit(integer('requests-per-minute', 0, 1_000_000)) ?? Number.POSITIVE_INFINITY,
		clonesPerOwner: noLimit(integer('clones-per-owner', 0, 10_000)),
		sweepSeconds: integer('sweep-seconds', 1, 3600),
		metrics: values.metrics === true,
		kubernetes: values.host === 'kubernetes' ? kubernetes() : null,
		mysql: parseMysqlSettings(values, environment, faults),
	};
	if (values.help === true) throw new Error(USAGE);
	if (faults.length > 0) throw new Error(`${faults.join('\n')}\n\n${USAGE}`);
	return settings;
}
