// The server's status, shared by the frame and the pages.
import { api } from '$lib/api/client';
import type { Status } from '$lib/api/types';
import { Resource } from '$lib/resource.svelte';

export const status = new Resource<Status>((signal) => api.get('/api/v1/status', { signal }));

/** A vendor's name as people know it; "In-house" for the own store. */
export function recipientName(id: string): string {
	if (id === 'home') return 'In-house';
	return status.data?.vendors.find((vendor) => vendor.id === id)?.name ?? id;
}
