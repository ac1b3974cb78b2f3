// Source → category → form → recipient, as a Sankey. Pure.
// A person counts once per category, form and recipient, so widths compare flows and do not add up to people.
import type { Flow } from '$lib/api/types';
import { formKind, formWords } from '$lib/forms';
import { type Option, FONT, escape, tooltip } from './base';
import type { Palette } from './palette';

/** A category cut to its first levels, so that close ones share a band. */
export function group(category: string, levels: number): string {
	return category.split('.').slice(0, levels).join('.');
}

/** Flows with their categories grouped; the people of a group are those of its largest category. */
export function grouped(flows: Flow[], levels: number): Flow[] {
	const merged = new Map<string, Flow>();
	for (const flow of flows) {
		const category = group(flow.category, levels);
		const key = [flow.source, category, flow.form, flow.recipient].join('\n');
		const known = merged.get(key);
		merged.set(key, { ...flow, category, people: Math.max(known?.people ?? 0, flow.people) });
	}
	return [...merged.values()];
}

interface Link {
	source: string;
	target: string;
	value: number;
	people: number;
	form: string | null;
}

/** Links between neighbouring columns: `value` is the width, `people` the most people of any flow in it. */
export function links(flows: Flow[]): Link[] {
	const all = new Map<string, Link>();
	const add = (source: string, target: string, people: number, form: string | null) => {
		const key = `${source}\n${target}`;
		const link = all.get(key) ?? { source, target, value: 0, people: 0, form };
		link.value += people;
		link.people = Math.max(link.people, people);
		all.set(key, link);
	};
	for (const flow of flows) {
		const [source, category] = [`s:${flow.source}`, `c:${flow.category}`];
		const [form, recipient] = [`f:${flow.form}`, `r:${flow.recipient}`];
		add(source, category, flow.people, null);
		add(category, form, flow.people, flow.form);
		add(form, recipient, flow.people, flow.form);
	}
	return [...all.values()];
}

const bare = (node: string): string => node.slice(2);

export function sankey(flows: Flow[], name: (recipient: string) => string, palette: Palette): Option {
	const between = links(flows);
	const nodes = [...new Set(between.flatMap((link) => [link.source, link.target]))];
	const label = (node: string) => (node.startsWith('r:') ? name(bare(node)) : bare(node));
	const color = (node: string) => {
		if (node.startsWith('f:')) return palette.forms[formKind(bare(node))];
		if (node === 'r:home') return palette.forms.sealed;
		return node.startsWith('c:') ? palette.muted : palette.accent;
	};
	const tip = ({ dataType, data, name: node }: { dataType: string; data: Link; name: string }) => {
		if (dataType === 'node') {
			const words = node.startsWith('f:') ? `: ${formWords(bare(node))}` : '';
			return `<b>${escape(label(node))}</b>${escape(words)}`;
		}
		const people = data.people.toLocaleString('en');
		const noun = data.people === 1 ? 'person' : 'people';
		return `${escape(label(data.source))} → ${escape(label(data.target))}<br><b>${people}</b> ${noun}`;
	};
	return {
		textStyle: { fontFamily: FONT },
		tooltip: { ...tooltip(palette), trigger: 'item', formatter: tip },
		series: [
			{
				type: 'sankey',
				left: 4,
				right: 96,
				top: 8,
				bottom: 8,
				nodeWidth: 10,
				nodeGap: 11,
				nodeAlign: 'justify',
				draggable: false,
				emphasis: { focus: 'adjacency' },
				label: { color: palette.text, fontFamily: FONT, fontSize: 12, formatter: ({ name: node }: { name: string }) => label(node) },
				data: nodes.map((node) => ({ name: node, itemStyle: { color: color(node), borderWidth: 0 } })),
				links: between.map((link) => ({
					...link,
					lineStyle: { color: link.form ? palette.forms[formKind(link.form)] : palette.muted, opacity: link.form ? 0.3 : 0.16, curveness: 0.5 }
				}))
			}
		]
	};
}
