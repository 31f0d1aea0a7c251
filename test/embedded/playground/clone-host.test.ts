import { cloneHostContract } from '../../contracts/clone-host.ts';
import { makePlaygroundHost } from '../../support/sites/playground-host.ts';

cloneHostContract('Playground', () => makePlaygroundHost());
