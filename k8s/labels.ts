/** Names and labels that the manifests and the adapter agree on. */
export const FIELD_MANAGER = 'clone-service';

export const LABEL_SLOT = 'clone-service/slot';
export const ANNOTATION_PHP = 'clone-service/php-version';
export const ANNOTATION_WORDPRESS = 'clone-service/wp-version';
export const ANNOTATION_IMAGE = 'clone-service/image';
export const ANNOTATION_DATABASE = 'clone-service/database';

/** On everything that belongs to a clone; what the adapter lists by. */
export const CLONE_LABELS = { 'app.kubernetes.io/name': 'clone', 'app.kubernetes.io/managed-by': FIELD_MANAGER } as const;

export const CLONE_PRIORITY = 'clone';
export const BUFFER_PRIORITY = 'clone-buffer';

/** Nodes for clones only. */
export const CLONE_NODES = { key: 'workload', value: 'clone' } as const;

/** www-data, in Debian and in the images that derive from it. */
export const CLONE_USER = 33;
export const CLONE_PORT = 8080;
/** Probes only; no Service and no policy lets anyone else in. */
export const HEALTH_PORT = 8081;

export const CLONE_DIR = '/clone';
/** Where a pod finds its Secret. */
export const SLOT_SECRET_DIR = '/run/clone';

export function slotLabels(slotId: string): Readonly<Record<string, string>> {
	return { ...CLONE_LABELS, [LABEL_SLOT]: slotId };
}
