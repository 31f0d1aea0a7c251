/** Opens (or makes) the key file at once with others and seals its own process id. */
import { FileKeySecretBox } from '../../../adapters/embedded/file-key-secret-box.ts';

const box = new FileKeySecretBox(process.argv[2] ?? '');
process.send?.(await box.seal(`from ${process.pid}`, { job_id: 'clone-1', owner: 'o' }), () => process.disconnect());
