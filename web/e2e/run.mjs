// Runs every browser test against a running server: COFFERDAM_URL=<sign-in link> node e2e/run.mjs [part of a test's name]
// Each test asserts an effect on the server, not that something was clicked. The server's data is changed and changed back.
import assert from 'node:assert/strict';
import { frame } from './frame.mjs';
import { governance } from './governance.mjs';
import { launch, server } from './lib.mjs';
import { paths } from './paths.mjs';
import { reports } from './reports.mjs';

const link = process.env.COFFERDAM_URL;
if (!link) {
	console.error('COFFERDAM_URL is not set: give it the sign-in link that `cofferdam demo` prints');
	process.exit(2);
}
const at = server(link);
const only = process.argv[2] ?? '';
const tests = Object.entries({ ...frame, ...reports, ...paths, ...governance }).filter(([name]) => name.includes(only));
const browser = await launch();
let failed = 0;
const errors = [];
/** What nobody caught on any page of any test. */
const watched = {
	newContext: async (options) => {
		const context = await browser.newContext(options);
		context.on('weberror', (error) => errors.push(`${error.page()?.url()}: ${error.error().stack ?? error.error()}`));
		return context;
	}
};
for (const [name, test] of tests) {
	const started = Date.now();
	try {
		errors.length = 0;
		await test(watched, at);
		assert.deepEqual(errors, [], 'errors on the page that nobody caught');
		console.log(`ok   ${name} (${Date.now() - started} ms)`);
	} catch (error) {
		failed += 1;
		console.error(`FAIL ${name}\n${error.stack}`);
	}
	for (const context of browser.contexts()) await context.close();
}
await browser.close();
console.log(`${tests.length - failed} of ${tests.length} browser tests passed`);
process.exit(failed === 0 && tests.length > 0 ? 0 : 1);
