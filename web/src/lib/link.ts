// A question in the address: `?q=` carries what differs from the blank form, so that a link reproduces the report. Pure.
// Invariant: whatever the address says, what comes out has the form's shape; what does not fit is left out.

/** What the elements of the form's lists look like, by the lists' names. */
export type Items = Record<string, () => unknown>;

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** A value in the shape of a sample: objects key by key, lists element by element, else the same type. */
function shaped(sample: unknown, value: unknown, items: Items, name: string): unknown {
	if (Array.isArray(sample)) {
		const item = items[name]?.();
		if (!Array.isArray(value) || item === undefined) return sample;
		return value.filter((one) => typeof one === typeof item).map((one: unknown) => shaped(item, one, items, name));
	}
	if (isObject(sample)) {
		if (!isObject(value)) return sample;
		return Object.fromEntries(Object.entries(sample).map(([key, inner]) => [key, key in value ? shaped(inner, value[key], items, key) : inner]));
	}
	if (sample === null) return value === null || typeof value === 'string' || typeof value === 'number' ? value : null;
	return typeof value === typeof sample ? value : sample;
}

/** The question that an address asks, or null where it asks none. */
export function fromLink<D extends object>(blank: D, search: URLSearchParams, items: Items): D | null {
	const text = search.get('q');
	if (text === null) return null;
	try {
		return shaped(blank, JSON.parse(text), items, '') as D;
	} catch {
		return null;
	}
}

/** What of a question differs from the blank form, for the address. */
export function toLink<D extends object>(blank: D, draft: D): string {
	const plain = new Map(Object.entries(blank));
	const own = Object.entries(draft).filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(plain.get(key)));
	return JSON.stringify(Object.fromEntries(own));
}
