// Set-up code for the SDKs, with the project's token and the intake's address filled in. Pure.

export interface Snippet {
	id: string;
	label: string;
	code: string;
}

export function snippets(token: string, address: string): Snippet[] {
	const url = address.replace(/\/$/, '');
	const at = new URL(url);
	// All four of the Python SDK's addresses: one that is left out goes to the vendor, past this server.
	const endpoints = [
		['events_url', 'track'],
		['people_url', 'engage'],
		['groups_url', 'groups'],
		['import_url', 'import']
	];
	const python = endpoints.map(([name, path]) => `\n    ${name}="${url}/${path}",`).join('');
	// The Node SDK sends `secret` over https only; `key` goes over either.
	const secret = at.protocol === 'https:' ? 'secret' : 'key';
	return [
		{
			id: 'browser',
			label: 'Browser',
			code: `import mixpanel from 'mixpanel-browser';\n\nmixpanel.init('${token}', {\n  api_host: '${url}',\n});\nmixpanel.track('Page Viewed');`
		},
		{
			id: 'node',
			label: 'Node',
			code: `const Mixpanel = require('mixpanel');\n\nconst mixpanel = Mixpanel.init('${token}', {\n  host: '${at.host}',\n  protocol: '${at.protocol.replace(':', '')}',\n  ${secret}: process.env.IMPORT_SECRET, // for import only: what import_secret_file holds\n});\nmixpanel.track('API Key Created', { distinct_id: 'user-1' });\n// Verified, also for what is long past:\nmixpanel.import('API Key Created', new Date(), { distinct_id: 'user-1' });`
		},
		{
			id: 'python',
			label: 'Python',
			code: `import os\nimport time\nfrom mixpanel import Consumer, Mixpanel\n\nconsumer = Consumer(${python}\n)\nmp = Mixpanel("${token}", consumer=consumer)\nmp.track("user-1", "API Key Created")\n# Verified, also for what is long past, with what import_secret_file holds:\nmp.import_data(None, "user-1", "API Key Created", int(time.time()),\n               api_secret=os.environ["IMPORT_SECRET"])`
		},
		{
			id: 'curl',
			label: 'curl',
			code: `curl '${url}/track?verbose=1' \\\n  -H 'content-type: application/json' \\\n  -d '[{"event": "Page Viewed", "properties":\n        {"token": "${token}", "distinct_id": "user-1"}}]'`
		}
	];
}
