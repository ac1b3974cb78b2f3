// The live list: newest first, without doubles, of bounded length; and what each recipient got of a field. Pure.
import type { Because, LiveEvent } from '$lib/api/types';

export function merge(fresh: LiveEvent[], known: LiveEvent[], most: number): LiveEvent[] {
	const bySeq = new Map([...known, ...fresh].map((event) => [event.seq, event]));
	return [...bySeq.values()].sort((one, other) => other.seq - one.seq).slice(0, most);
}

/** What one recipient has of a field: the form that it got, or why it got none. */
export interface Had {
	form: string | null;
	withheld: Because | null;
}

export interface Row {
	path: string;
	category: string;
	rule: string;
	/** At home, with the value kept. */
	home: Had & { value: unknown };
	/** Per vendor, in the event's order; neither form nor reason where the vendor gets nothing of the event, or has no such field. */
	vendors: Had[];
}

/** Every field of an event with what home and each vendor has of it; paths that only vendors have come first. */
export function rows(event: LiveEvent): Row[] {
	const had = event.vendors.map(
		(vendor) =>
			new Map<string, Had>([
				...vendor.withheld.map(({ path, reason, because }): [string, Had] => [path, { form: null, withheld: { reason, because } }]),
				...vendor.given.map(({ path, form }): [string, Had] => [path, { form, withheld: null }])
			])
	);
	const vendors = (path: string) => had.map((vendor) => vendor.get(path) ?? { form: null, withheld: null });
	const fields = event.fields.map(({ path, category, rule, form, value, withheld }) => ({
		path,
		category,
		rule,
		home: { form, value, withheld },
		vendors: vendors(path)
	}));
	const known = new Set(fields.map((field) => field.path));
	const rest = [...new Set(had.flatMap((vendor) => [...vendor.keys()]))].filter((path) => !known.has(path)).sort();
	const envelope: Record<string, [string, unknown]> = { event: ['user.behavior', event.event], time: ['system.operations', null] };
	return [
		...rest.map((path) => ({
			path,
			category: envelope[path]?.[0] ?? '',
			rule: '',
			home: { form: envelope[path] ? 'clear' : null, value: envelope[path]?.[1] ?? null, withheld: null },
			vendors: vendors(path)
		})),
		...fields
	];
}
