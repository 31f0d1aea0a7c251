import { describe, expect, it } from 'vitest';
import { ASSUMPTIONS, BUFFER, estimate, sum } from '../../../bin/cost/estimate.ts';
import { type Inventory, inventoryOf } from '../../../bin/cost/inventory.ts';
import { DATABASES, INSTANCES, PRICES } from '../../../bin/cost/prices.ts';
import type { Stage } from '../support.ts';

const NOTHING: Inventory = {
	eksClusters: 0,
	systemNodes: {},
	bufferNodes: {},
	nodeDiskGb: 0,
	natGateways: 0,
	loadBalancers: 0,
	publicIpv4: 0,
	kmsKeys: 0,
	alarmMetrics: 0,
	dashboards: 0,
	customMetrics: 0,
	databases: {},
	databaseGb: 0,
	functions: { Api: 1, Worker: 1, Sweep: 0.5 },
};

export function costSuite(stage: () => Stage): void {
	describe('what it costs', () => {
		it('is counted in the templates', () => {
			const { data, cluster, service } = stage();
			const counted = inventoryOf([data, cluster, service].map(({ template }) => template.toJSON()));
			expect(counted).toMatchObject({
				eksClusters: 1,
				systemNodes: { 't3.medium': 2 },
				bufferNodes: { 't3.medium': 2 },
				nodeDiskGb: 2 * 30 + 2 * 40,
				natGateways: 1,
				loadBalancers: 1,
				publicIpv4: 3,
				kmsKeys: 1,
				dashboards: 3,
				databases: {},
				functions: { Api: 1, Worker: 1, Sweep: 0.5 },
			});
			// Nineteen alarms, one of them on two metrics.
			expect(counted.alarmMetrics).toBe(20);
			expect(counted.customMetrics).toBeGreaterThan(12);
		});

		it('is the sum of what stands there', () => {
			const bare = sum(estimate(NOTHING).idle);
			const more = (part: Partial<Inventory>): number => sum(estimate({ ...NOTHING, ...part }).idle) - bare;
			expect(more({ eksClusters: 1 })).toBeCloseTo(73, 5);
			expect(more({ bufferNodes: { 't3.medium': 2 } })).toBeCloseTo(2 * 0.0416 * 730, 5);
			expect(more({ dashboards: 3 })).toBe(0);
			expect(more({ dashboards: 5 })).toBeCloseTo(6, 5);
			expect(more({ databases: { 't4g.small': 1 }, databaseGb: 50 })).toBeCloseTo(0.032 * 730 + 50 * 0.115 + 0.4, 5);
			expect(estimate({ ...NOTHING, bufferNodes: { 't3.medium': 2 } }).idle.map(({ what }) => what)).toContain(`${BUFFER}: 2 t3.medium`);
		});

		it('and what a clone uses', () => {
			const share = estimate(NOTHING).clone.find(({ what }) => what === 'its share of a node');
			expect(share?.usd).toBeCloseTo((ASSUMPTIONS.cloneHours * 0.0416) / 5, 8);
			expect(estimate(NOTHING).clone.every(({ usd }) => usd > 0)).toBe(true);
		});

		it('cannot be said without a price', () => {
			expect(() => estimate({ ...NOTHING, systemNodes: { 'x9.huge': 1 } })).toThrow('No price for x9.huge: add it to bin/cost/prices.ts.');
		});

		it('has a page and a day for each price', () => {
			for (const [name, { usd, source, noted }] of Object.entries({ ...PRICES, ...INSTANCES, ...DATABASES })) {
				expect(usd, name).toBeGreaterThan(0);
				expect(source, name).toMatch(/^https:\/\/aws\.amazon\.com\/.+pricing\/.*$/);
				expect(noted, name).toMatch(/^\d{4}-\d{2}-\d{2}$/);
			}
		});
	});
}
