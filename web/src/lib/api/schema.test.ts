// The contract chain: the server's routes → their description (a file that a Rust test holds to the code) → schema.ts.
import openapiTS, { astToString } from 'openapi-typescript';
import { expect, it } from 'vitest';
import description from '../../../../crates/cofferdam-server/tests/it/snapshots/openapi.snap.json?raw';
import kept from './schema.ts?raw';

it('schema.ts is what `npm run schema` makes of the API description', async () => {
	const made = astToString(await openapiTS(JSON.parse(description)));
	const start = (text: string) => text.indexOf('export interface paths');
	expect(start(made)).toBeGreaterThanOrEqual(0);
	expect(kept.slice(start(kept)), 'run `npm run schema`').toBe(made.slice(start(made)));
}, 60_000);
