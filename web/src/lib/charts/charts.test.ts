// The chart builders: what is drawn is what the API said.
import { describe, expect, it } from 'vitest';
import type { Flow, Radius, Segmentation } from '$lib/api/types';
import { escape } from './base';
import { filled, perDay } from './days';
import { byCategory, exposure, exposureHeight } from './exposure';
import { lines, percent, shares, split } from './lines';
import { light } from './palette';
import { group, grouped, links, sankey } from './sankey';
import { bucketLabel, seriesName, trends } from './trends';

type Any = Record<string, any>;
const flow = (category: string, form: string, recipient: string, people: number): Flow => ({ source: 'console', category, form, recipient, people });

describe('sankey', () => {
	const flows = [flow('user.contact.email', 'sealed', 'home', 80), flow('user.contact.email', 'clear', 'mail', 30), flow('user.contact.phone_number', 'clear', 'mail', 50)];

	it('groups by the first levels and keeps the largest of a group', () => {
		expect(group('user.contact.email', 2)).toBe('user.contact');
		expect(grouped(flows, 2)).toEqual([flow('user.contact', 'sealed', 'home', 80), flow('user.contact', 'clear', 'mail', 50)]);
	});

	it('balances every node between the columns', () => {
		const all = links(flows);
		const into = (node: string) => all.filter((link) => link.target === node).reduce((sum, link) => sum + link.value, 0);
		const out = (node: string) => all.filter((link) => link.source === node).reduce((sum, link) => sum + link.value, 0);
		for (const node of ['c:user.contact.email', 'c:user.contact.phone_number', 'f:clear', 'f:sealed']) expect(into(node)).toBe(out(node));
		expect(out('s:console')).toBe(160);
		expect(into('r:mail')).toBe(80);
	});

	it('names recipients, colours forms, and never makes a cycle of equal names', () => {
		const option = sankey([flow('home', 'clear', 'home', 5)], (id) => (id === 'home' ? 'In-house' : id), light) as Any;
		const series = option.series[0];
		expect(series.data.map((node: Any) => node.name)).toEqual(['s:console', 'c:home', 'f:clear', 'r:home']);
		expect(series.label.formatter({ name: 'r:home' })).toBe('In-house');
		expect(series.links.at(-1).lineStyle.color).toBe(light.forms.clear);
		expect(option.tooltip.formatter({ dataType: 'edge', data: { source: 's:<b>', target: 'c:x', people: 1234 } })).toBe('&#60;b&#62; → x<br><b>1,234</b> people');
	});
});

describe('events per day', () => {
	const days = [{ day: '2026-02-27', accepted: 5, stored: 4 }, { day: '2026-03-02', accepted: 7, stored: 7 }];

	it('shows a silent day as zero, over the end of a month', () => {
		expect(filled(days, 30).map((one) => [one.day, one.stored])).toEqual([['2026-02-27', 4], ['2026-02-28', 0], ['2026-03-01', 0], ['2026-03-02', 7]]);
	});
	it('keeps the last days only', () => {
		expect(filled(days, 2).map((one) => one.day)).toEqual(['2026-03-01', '2026-03-02']);
		expect(filled([], 30)).toEqual([]);
	});
	it('stacks profile updates on events', () => {
		const option = perDay(days, light) as Any;
		expect(option.series.map((one: Any) => [one.stack, one.data])).toEqual([['day', [4, 7]], ['day', [1, 0]]]);
	});
});

describe('exposure', () => {
	const radius = (categories: Radius['categories']) => ({ categories }) as Radius;
	const sent = radius([{ category: 'user.name', sensitivity: 'simple', people: 9 }, { category: 'user.financial', sensitivity: 'financial', people: 2 }]);
	const held = radius([{ category: 'user.name', sensitivity: 'simple', people: 12 }, { category: 'user.behavior', sensitivity: 'behavioral', people: 40 }]);

	it('joins both bases, the most sensitive first', () => {
		expect(byCategory(sent, held).map((row) => [row.category, row.sent, row.held])).toEqual([['user.financial', 2, 0], ['user.behavior', 0, 40], ['user.name', 9, 12]]);
		expect(byCategory(undefined, undefined)).toEqual([]);
	});
	it('draws one bar for each basis and says the sensitivity', () => {
		const rows = byCategory(sent, held);
		const option = exposure(rows, light) as Any;
		expect(option.series.map((one: Any) => one.data)).toEqual([[2, 0, 9], [0, 40, 12]]);
		expect(option.yAxis.data[0]).toBe('user.financial  (financial)');
		expect(exposureHeight(rows)).toBeGreaterThan(exposureHeight(rows.slice(1)));
	});
});

describe('lines', () => {
	it('draws a missing value as a gap, and says so', () => {
		const option = lines(['0', '1'], [false, false], [{ name: 'A', values: [1, null] }], light) as Any;
		expect(option.series[0].data).toEqual([1, null]);
		expect(option.tooltip.formatter([{ dataIndex: 1 }])).toContain('A <b>–</b>');
	});
	it('says shares in per cent on the axis and in the tooltip', () => {
		const option = shares(['0'], [true], [{ name: 'A', values: [0.125] }], light) as Any;
		expect(option.yAxis.axisLabel.formatter(0.5)).toBe('50%');
		expect(option.tooltip.formatter([{ dataIndex: 0 }])).toContain('0 (incomplete)<br>');
		expect(option.tooltip.formatter([{ dataIndex: 0 }])).toContain('<b>12.5%</b>');
		expect(percent(null)).toBe('–');
	});
});

describe('trends', () => {
	const answer: Segmentation = {
		buckets: ['2026-11-19', '2026-11-20', '2026-11-21'],
		incomplete: [false, false, true],
		series: [{ event: 'API Call', segment: ['free'], values: [3, 4, 1] }, { event: 'API Call', segment: [null], values: [0, 2, 2] }],
		snapshot: '1.2'
	};

	it('splits a line so that its dashed part meets the whole one', () => {
		expect(split([3, 4, 1], [false, false, true])).toEqual({ solid: [3, 4, null], dashed: [null, 4, 1] });
		expect(split([1, 2, 3], [true, false, true])).toEqual({ solid: [null, 2, null], dashed: [1, 2, 3] });
	});
	it('names series by what tells them apart', () => {
		expect(seriesName({ event: '$all', segment: [], values: [] }, 1)).toBe('Any event');
		expect(seriesName({ event: 'A', segment: [null], values: [] }, 1)).toBe('(not set)');
		expect(seriesName({ event: 'A', segment: ['$other'], values: [] }, 2)).toBe('A: Other');
	});
	it('labels days and the hours of a clock change', () => {
		expect(bucketLabel('2026-11-19')).toBe('19 Nov');
		expect([bucketLabel('2026-08-01', 'month'), bucketLabel('2026-08-24', 'week')]).toEqual(['Aug 2026', 'from 24 Aug']);
		expect(bucketLabel('2026-10-25T02:00:00+02:00')).toBe('25 Oct 02:00');
	});
	it('dashes lines and pales bars that are not over', () => {
		const lines = (trends(answer, 'line', light) as Any).series;
		expect(lines).toHaveLength(4);
		expect(lines[1].lineStyle.type).toEqual([4, 4]);
		expect(lines[1].data).toEqual([null, { value: 4, symbol: 'none' }, 1]);
		expect(lines[0].itemStyle.color).toBe(lines[1].itemStyle.color);
		const bars = (trends(answer, 'bar', light) as Any).series;
		expect(bars[0].data.map((one: Any) => one.itemStyle.opacity)).toEqual([1, 1, 0.4]);
		const whole = { ...answer, incomplete: [false, false, false] };
		expect((trends(whole, 'line', light) as Any).series).toHaveLength(2);
	});
	it('escapes names that came from outside', () => {
		const hostile = { ...answer, series: [{ event: 'A', segment: ['<img src=x>'], values: [1, 2, 3] }] };
		expect((trends(hostile, 'line', light) as Any).tooltip.formatter([{ dataIndex: 2 }])).toContain('&#60;img src=x&#62; <b>3</b>');
		expect(escape(`<a href="x">'&`)).toBe('&#60;a href=&#34;x&#34;&#62;&#39;&#38;');
	});
});
