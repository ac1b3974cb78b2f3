// The pages that the sidebar leads to.
import type { IconName } from '$lib/components/Icon.svelte';

export const pages: { href: string; label: string; icon: IconName }[] = [
	{ href: '/', label: 'Overview', icon: 'overview' },
	{ href: '/live', label: 'Live', icon: 'live' },
	{ href: '/fields', label: 'Fields', icon: 'fields' },
	{ href: '/vendors', label: 'Vendors', icon: 'vendors' },
	{ href: '/radius', label: 'Blast radius', icon: 'radius' },
	{ href: '/trends', label: 'Trends', icon: 'trends' },
	{ href: '/funnels', label: 'Funnels', icon: 'funnels' },
	{ href: '/retention', label: 'Retention', icon: 'retention' },
	{ href: '/flows', label: 'Flows', icon: 'flows' },
	{ href: '/connect', label: 'Connect an SDK', icon: 'connect' }
];
