// The vendors that a blast radius can be asked of: those in force, then those that are gone and got something before. Pure.
import type { PastVendor } from '$lib/api/types';

export interface Pickable {
	id: string;
	/** As people know it; one that is no longer configured is marked. */
	label: string;
}

export function pickable(configured: { id: string; name: string }[], past: PastVendor[]): Pickable[] {
	const known = new Set(configured.map((vendor) => vendor.id));
	return [
		...configured.map(({ id, name }) => ({ id, label: name })),
		...past.filter(({ id }) => !known.has(id)).map(({ id, name }) => ({ id, label: `${name} (removed)` }))
	];
}
