// Set-up code for the SDKs, with the project's token and the intake's address filled in. Pure.

export interface Snippet {
	id: string;
	label: string;
	code: string;
}

export function snippets(token: string, address: string): Snippet[] {
	const url = address.replace(/\/$/, '');
	const at = new URL(url);
	// The Python SDK's api_host is always https; plain http (a demo) needs whole addresses.
	const python =
		at.protocol === 'https:'
			? `api_host="${at.host}"`
			: `events_url="${url}/track",\n                    people_url="${url}/engage"`;
	return [
		{
			id: 'browser',
			label: 'Browser',
			code: `import mixpanel from 'mixpanel-browser';\n\nmixpanel.init('${token}', {\n  api_host: '${url}',\n});\nmixpanel.track('Page Viewed');`
		},
		{
			id: 'node',
			label: 'Node',
			code: `const Mixpanel = require('mixpanel');\n\nconst mixpanel = Mixpanel.init('${token}', {\n  host: '${at.host}',\n  protocol: '${at.protocol.replace(':', '')}',\n});\nmixpanel.track('API Key Created', { distinct_id: 'user-1' });`
		},
		{
			id: 'python',
			label: 'Python',
			code: `from mixpanel import Consumer, Mixpanel\n\nconsumer = Consumer(${python})\nmp = Mixpanel("${token}", consumer=consumer)\nmp.track("user-1", "API Key Created")`
		},
		{
			id: 'curl',
			label: 'curl',
			code: `curl '${url}/track?verbose=1' \\\n  -H 'content-type: application/json' \\\n  -d '[{"event": "Page Viewed", "properties":\n        {"token": "${token}", "distinct_id": "user-1"}}]'`
		}
	];
}
