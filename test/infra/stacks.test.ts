/** One synth for all: loading the CDK and its validator takes most of the time. */
import { afterAll, beforeAll } from 'vitest';
import { clusterSuite } from './suites/cluster.ts';
import { costSuite } from './suites/cost.ts';
import { dataSuite } from './suites/data.ts';
import { serviceSuite } from './suites/service.ts';
import { watchingSuite } from './suites/watching.ts';
import { removeTemporaryFolders, type Stage, synthesize } from './support.ts';

let made: Stage | undefined;
const stage = (): Stage => {
	if (made === undefined) throw new Error('Nothing was synthesized.');
	return made;
};

beforeAll(() => {
	made = synthesize('default');
});
afterAll(removeTemporaryFolders);

dataSuite(stage);
clusterSuite(stage);
serviceSuite(stage);
watchingSuite(stage);
costSuite(stage);
