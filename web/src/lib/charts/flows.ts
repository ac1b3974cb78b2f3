// Flows around an event as a Sankey, a list of steps for narrow screens, and the rows of their tables. Pure.
// A node is an event at an offset, so that nothing flows backwards; where paths begin and end is muted.
import type { Flows } from '$lib/api/types';
import { type Option, FONT, escape, tooltip } from './base';
import { percent } from './lines';
import { type Palette, seriesColor } from './palette';

export type Link = Flows['links'][number];

const WORDS: Record<string, string> = { $start: 'Begins here', $end: 'Ends here', $other: 'Other events' };
export const nodeName = (event: string): string => WORDS[event] ?? event;
const isEdge = (event: string): boolean => event === '$start' || event === '$end';

/** What an offset is called: the anchor, or so many steps before or after it. */
export function offsetName(offset: number): string {
	if (offset === 0) return 'Anchor';
	return `${Math.abs(offset)} ${offset < 0 ? 'before' : 'after'}`;
}

export interface StepEvent {
	event: string;
	count: number;
	/** Of all paths. */
	share: number;
}
export interface Step {
	offset: number;
	events: StepEvent[];
}

/** The steps with how many paths ended or had not begun there. */
export function stepsOf(answer: Flows): Step[] {
	const share = (count: number) => (answer.paths > 0 ? count / answer.paths : 0);
	const sum = (links: Link[]) => links.reduce((all, link) => all + link.count, 0);
	return answer.steps.map(({ offset, events }) => {
		const edges = [
			{ event: '$start', count: sum(answer.links.filter((link) => link.offset === offset && link.from === '$start')) },
			{ event: '$end', count: sum(answer.links.filter((link) => link.offset === offset - 1 && link.to === '$end')) }
		];
		return { offset, events: [...events, ...edges.filter((one) => one.count > 0)].map((one) => ({ ...one, share: share(one.count) })) };
	});
}

const node = (offset: number, event: string): string => `${offset}:${event}`;
const eventOf = (name: string): string => name.slice(name.indexOf(':') + 1);

/** As tall as the fullest step needs. */
export const flowsHeight = (answer: Flows): number => Math.max(300, 40 * Math.max(1, ...stepsOf(answer).map((step) => step.events.length)));

export function flows(answer: Flows, anchor: string, palette: Palette): Option {
	const first = Math.min(0, ...answer.links.map((link) => link.offset));
	// The anchor has the accent, which is the first series' colour too.
	const names = [...new Set(answer.links.flatMap((link) => [link.from, link.to]).filter((event) => !isEdge(event) && event !== '$other' && event !== anchor))];
	const color = (event: string) => (isEdge(event) || event === '$other' ? palette.muted : event === anchor ? palette.accent : seriesColor(palette, names.indexOf(event) + 1));
	const nodes = new Map<string, Record<string, unknown>>();
	const add = (offset: number, event: string) =>
		nodes.set(node(offset, event), {
			name: node(offset, event),
			depth: offset - first,
			itemStyle: { color: color(event), opacity: isEdge(event) ? 0.35 : 1, borderWidth: 0 },
			label: { color: isEdge(event) ? palette.muted : palette.text }
		});
	for (const link of answer.links) {
		add(link.offset, link.from);
		add(link.offset + 1, link.to);
	}
	const tip = ({ dataType, data, name, value }: { dataType: string; data: { source: string; target: string; value: number }; name: string; value: number }) => {
		const said = (count: number) => `<b>${count.toLocaleString('en')}</b> ${count === 1 ? 'path' : 'paths'}, ${percent(answer.paths > 0 ? count / answer.paths : null)}`;
		if (dataType === 'node') return `${escape(nodeName(eventOf(name)))}<br>${said(value)}`;
		return `${escape(nodeName(eventOf(data.source)))} → ${escape(nodeName(eventOf(data.target)))}<br>${said(data.value)}`;
	};
	return {
		textStyle: { fontFamily: FONT },
		tooltip: { ...tooltip(palette), trigger: 'item', formatter: tip },
		series: [
			{
				type: 'sankey',
				left: 4,
				right: 150,
				top: 8,
				bottom: 8,
				nodeWidth: 10,
				nodeGap: 12,
				nodeAlign: 'left',
				draggable: false,
				emphasis: { focus: 'adjacency' },
				label: { fontFamily: FONT, fontSize: 12, width: 140, overflow: 'truncate', formatter: ({ name }: { name: string }) => nodeName(eventOf(name)) },
				data: [...nodes.values()],
				links: answer.links.map((link) => ({
					source: node(link.offset, link.from),
					target: node(link.offset + 1, link.to),
					value: link.count,
					lineStyle: { color: color(isEdge(link.from) ? link.to : link.from), opacity: isEdge(link.from) || isEdge(link.to) ? 0.1 : 0.28, curveness: 0.5 }
				}))
			}
		]
	};
}
