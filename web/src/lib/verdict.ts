// Exposed, not exposed, unknown: what may be said about each category, over both bases. Pure.
// A category counts as exposed if either basis says so, and as not exposed only if both do.
import type { Radius } from '$lib/api/types';

export interface Verdict {
	exposed: string[];
	notExposed: string[];
	unknown: string[];
}

export function verdict(sent: Radius, held: Radius): Verdict {
	const exposed = new Set([...sent.categories, ...held.categories].map((one) => one.category));
	const unknown = new Set([...sent.unknown, ...held.unknown].filter((one) => !exposed.has(one)));
	const not = [...new Set([...sent.not_exposed, ...held.not_exposed])].filter((one) => !exposed.has(one) && !unknown.has(one));
	return { exposed: [...exposed].sort(), notExposed: not.sort(), unknown: [...unknown].sort() };
}

/** Categories under their first two levels, for lists that are long. */
export function families(categories: string[]): { name: string; members: string[] }[] {
	const all = new Map<string, string[]>();
	for (const category of categories) {
		const name = category.split('.').slice(0, 2).join('.');
		all.set(name, [...(all.get(name) ?? []), category]);
	}
	return [...all].map(([name, members]) => ({ name, members }));
}
