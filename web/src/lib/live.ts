// The live list: newest first, without doubles, of bounded length; and what each recipient got of a field. Pure.
import type { Because, LiveEvent } from '$lib/api/types';

export function merge(fresh: LiveEvent[], known: LiveEvent[], most: number): LiveEvent[] {
	const bySeq = new Map([...known, ...fresh].map((event) => [event.seq, event]));
	return [...bySeq.values()].sort((one, other) => other.seq - one.seq).slice(0, most);
}

export interface Row {
	path: string;
	category: string;
	rule: string;
	/** The form at home and the value kept, or why there is none. */
	home: { form: string | null; value: unknown; withheld: Because | null };
	/** Per vendor, in the event's order, the form that it got, or null. */
	vendors: (string | null)[];
}

/** Every field of an event with what home and each vendor has of it; paths that only vendors have come last. */
export function rows(event: LiveEvent): Row[] {
	const given = event.vendors.map((vendor) => new Map(vendor.given.map(({ path, form }) => [path, form])));
	const forms = (path: string) => given.map((vendor) => vendor.get(path) ?? null);
	const fields = event.fields.map(({ path, category, rule, form, value, withheld }) => ({
		path,
		category,
		rule,
		home: { form, value, withheld },
		vendors: forms(path)
	}));
	const known = new Set(fields.map((field) => field.path));
	const rest = [...new Set(given.flatMap((vendor) => [...vendor.keys()]))].filter((path) => !known.has(path)).sort();
	const envelope: Record<string, [string, unknown]> = { event: ['user.behavior', event.event], time: ['system.operations', null] };
	return [
		...rest.map((path) => ({
			path,
			category: envelope[path]?.[0] ?? '',
			rule: '',
			home: { form: envelope[path] ? 'clear' : null, value: envelope[path]?.[1] ?? null, withheld: null },
			vendors: forms(path)
		})),
		...fields
	];
}
