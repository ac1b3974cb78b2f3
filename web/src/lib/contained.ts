// Since when a vendor is contained, and by whom: the last such act on record. Pure.
import type { Leaf } from '$lib/api/types';

const ACTORS: Record<string, string> = { 'local-operator': 'an operator on the server', admin: 'someone with the admin token' };

export function lastContained(leaves: Leaf[], vendor: string): { at: number; by: string } | null {
	const act = leaves.findLast((leaf) => leaf.action === 'vendor.contain' && leaf.resource === `vendor/${vendor}` && leaf.decision === 'permitted');
	return act ? { at: act.time, by: ACTORS[act.actor] ?? act.actor } : null;
}
