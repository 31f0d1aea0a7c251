/** `npm run docs`: writes docs/errors.md from the catalogues in the code. */
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { errorsDocument } from './docs/errors-document.ts';

const path = resolve(import.meta.dirname, '../docs/errors.md');
writeFileSync(path, errorsDocument());
console.log(path);
