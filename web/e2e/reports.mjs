// Overview, Live, Blast radius, Trends: what is shown is what the API answers.
import assert from 'node:assert/strict';
import { number, open, send, until } from './lib.mjs';

const tableRows = (card) => card.locator('tbody tr');
/** Opens a table that shows its first rows only. */
const showAll = async (card) => {
	const more = card.getByRole('button', { name: /^Show all/ });
	if ((await more.count()) > 0) await more.click();
};
const card = (page, name) => page.getByRole('region', { name, exact: true }).first();
const stat = (page, label) => page.locator('.stat', { hasText: label }).locator('.value').first();

export const reports = {
	async 'overview: figures, flows and their table twin are those of the API'(browser, at) {
		const { page, go } = await open(browser, at);
		await go('/');
		const data = await at.api('/overview');
		assert.ok(data.accepted > 0, 'the test needs a server with data');
		assert.ok(number(await stat(page, 'Accepted').textContent()) >= data.accepted - 200);
		assert.equal(number(await stat(page, 'People').textContent()), data.people);

		const flows = card(page, "Where people's data goes");
		await flows.locator('svg path').first().waitFor();
		await flows.getByText('Every category').click();
		await flows.getByRole('button', { name: 'Table' }).click();
		await showAll(flows);
		assert.equal(await tableRows(flows).count(), data.flows.length);
		const vendor = data.vendors.find((one) => data.flows.some((flow) => flow.recipient === one.id));
		await flows.getByLabel('Recipient').selectOption(vendor.id);
		const own = data.flows.filter((flow) => flow.recipient === vendor.id);
		assert.equal(await tableRows(flows).count(), own.length);
		await flows.getByRole('button', { name: 'People' }).click();
		const most = Math.max(...own.map((flow) => flow.people));
		assert.equal(number(await tableRows(flows).first().locator('td').last().textContent()), most);
		await flows.getByRole('button', { name: 'Chart' }).click();
		await flows.locator('svg path').first().waitFor();

		const days = card(page, 'Events per day');
		await days.getByRole('button', { name: 'Table' }).click();
		const shown = await days.locator('tbody tr td:nth-child(2)').allTextContents();
		const stored = data.per_day.slice(-30).reduce((sum, day) => sum + day.stored, 0);
		assert.ok(Math.abs(shown.map(number).reduce((sum, one) => sum + one, 0) - stored) <= 200);

		const withheld = card(page, 'Withheld, because …');
		await withheld.locator('summary').first().click();
		assert.ok(await withheld.locator('details[open] dt').first().isVisible());
		await card(page, 'Vendors').getByRole('link', { name: vendor.name }).click();
		await page.getByRole('heading', { level: 1, name: vendor.name }).waitFor();
	},

	async 'live: a sent event shows with what was withheld and why; pause holds, resume catches up'(browser, at) {
		const { page, go } = await open(browser, at);
		// Time goes on as usual, and can be moved on.
		await page.clock.install();
		await go('/live');
		const name = `E2E Live ${Date.now()}`;
		await send(at.api, [{ event: name, email: 'someone@example.com', api_key: 'sk_live_4eC39HqLyjWDarjtT1zdp7dc' }]);
		const row = page.getByRole('button', { name: new RegExp(`^${name}`) });
		await row.waitFor();
		await row.click();
		const detail = page.getByRole('region', { name: 'Fields of the event' });
		const field = (path) => detail.locator('tr', { has: page.getByText(path, { exact: true }) });
		const text = await field('properties.email').textContent();
		assert.match(text, /user\.contact\.email.*(sealed|withheld)/s);
		assert.match(await field('properties.api_key').textContent(), /withheld.*because it is a secret/s);
		const { events } = await at.api('/live?limit=200');
		const { vendors } = events.find((one) => one.event === name);
		const got = vendors.filter((vendor) => !vendor.refused).map((vendor) => {
			const reason = vendor.withheld.find((one) => one.path === 'properties.email');
			const form = vendor.given.find((one) => one.path === 'properties.email')?.form;
			return reason ? `withheld because ${reason.because}` : (form ?? '– nothing');
		});
		const cells = await field('properties.email').locator('td').allTextContents();
		const said = cells.slice(1).map((cell) => cell.replace(/\s+/g, ' ').trim().replace('withheldbecause', 'withheld because').replace('–nothing', '– nothing'));
		assert.deepEqual(said, got, 'the page does not say for each vendor what the API says');
		assert.ok(got.some((one) => one.startsWith('withheld because')), 'the test needs a vendor whose contract does not list e-mail addresses');
		const all = await page.locator('main').textContent();
		assert.ok(!all.includes('someone@example.com') && !all.includes('sk_live_'), 'a value shows that nobody may have');

		await page.getByRole('button', { name: 'Resume', exact: true }).waitFor();
		const later = `${name} later`;
		await send(at.api, [{ event: later }]);
		await until('the event is in the API', () => at.api('/live?limit=200'), ({ events }) => events.some((one) => one.event === later));
		let asked = 0;
		page.on('request', (request) => { if (request.url().includes('/api/v1/live')) asked += 1; });
		await page.clock.runFor(10_000);
		// Whatever the timers asked for went before this.
		await page.evaluate(() => fetch('/readyz').then((answer) => answer.text()));
		assert.equal(asked, 0, 'paused, and still it asks');
		await page.getByRole('button', { name: 'Resume', exact: true }).click();
		await page.getByRole('button', { name: new RegExp(`^${later}`) }).waitFor();
		await page.getByLabel('Filter by event or person').fill('no such event at all');
		await page.getByText('No recent event matches').waitFor();
	},

	async 'blast radius: both bases equal the API for a vendor and a window; the window is in the URL'(browser, at) {
		const { page, go } = await open(browser, at);
		const { vendors } = await at.api('/vendors');
		const vendor = vendors.find((one) => one.delivery.possible > 0);
		const both = (window) => Promise.all(['sent', 'held'].map((basis) => at.api(`/vendors/${vendor.id}/radius?basis=${basis}${window}`)));
		const shown = async (basis) => number(await page.locator(`[data-basis=${basis}]`).textContent());
		await go(`/radius?vendor=${vendor.id}`);
		const [sent, held] = await both('');
		assert.ok(sent.people > 0);
		assert.deepEqual([await shown('sent'), await shown('held')], [sent.people, held.people]);

		const categories = card(page, 'People by category');
		await categories.locator('svg path').first().waitFor();
		await categories.getByRole('button', { name: 'Table' }).click();
		const known = new Set([...sent.categories, ...held.categories].map((one) => one.category));
		await showAll(categories);
		assert.equal(await tableRows(categories).count(), known.size);
		const fields = card(page, 'Fields');
		await showAll(fields);
		assert.equal(await tableRows(fields).count(), sent.fields.length);
		await fields.getByText('Held', { exact: true }).click();
		await showAll(fields);
		assert.equal(await tableRows(fields).count(), held.fields.length);
		await fields.getByLabel('Search exposed fields').fill('distinct_id');
		assert.ok((await tableRows(fields).count()) < held.fields.length);

		const day = sent.fields[0].first;
		await page.getByLabel('From (UTC day)').fill(day);
		await page.getByLabel('Through').fill(day);
		const [one] = await both(`&since=${day}&until=${day}`);
		await until('the window is counted', () => shown('sent'), (people) => people === one.people);
		assert.ok(one.people <= sent.people && page.url().includes(`since=${day}`) && page.url().includes(`vendor=${vendor.id}`));
		await page.getByRole('button', { name: 'All time' }).click();
		await until('all time again', () => shown('sent'), (people) => people === sent.people);
		const verdict = card(page, 'What may be said');
		assert.equal(number(await verdict.locator('summary').first().textContent()), known.size);
		assert.ok((await card(page, 'How sure this is').textContent()).includes('Routing'));
	},

	async 'blast radius: a window that runs backwards is said at its field and shows no figures'(browser, at) {
		const { page, go } = await open(browser, at);
		const { vendors } = await at.api('/vendors');
		await go(`/radius?vendor=${vendors[0].id}&since=2026-03-02&until=2026-03-01`);
		const through = page.getByLabel('Through');
		await page.getByText('Through is before From').waitFor();
		assert.equal(await through.getAttribute('aria-invalid'), 'true');
		assert.equal(await page.locator('[data-basis]').count(), 0, 'figures of another question');
		await through.fill('2026-03-02');
		await page.locator('[data-basis=sent]').waitFor();
		assert.equal(await page.getByText('Through is before From').count(), 0);
		await through.fill('2026-03-01');
		await page.locator('[data-basis=sent]').waitFor({ state: 'detached' });
	},

	async 'blast radius: a removed vendor is offered, marked, with all that it got'(browser, at) {
		const { page, go } = await open(browser, at);
		const [list, status] = [await at.api('/vendors'), await at.api('/status')];
		const gone = list.vendors.find((one) => one.delivery.possible > 0);
		// The demo's vendors stay; the page hears of one as if its file had been taken away. Its radius is the server's own.
		const past = [{ id: gone.id, name: gone.name, last_day: '2026-06-01' }];
		const instead = (path, body) => {
			const json = { ...body, vendors: body.vendors.filter((one) => one.id !== gone.id) };
			// The page may have gone on meanwhile.
			return page.route(`**/api/v1${path}`, (route) => route.fulfill({ json }).catch(() => {}));
		};
		await instead('/status', status);
		await instead('/vendors', { ...list, past });
		await go('/radius');
		const picker = page.getByRole('combobox', { name: 'Vendor' });
		await picker.getByRole('option', { name: `${gone.name} (removed)` }).waitFor({ state: 'attached' });
		assert.equal(await picker.getByRole('option').count(), list.vendors.length);
		await picker.selectOption(gone.id);
		const { people } = await at.api(`/vendors/${gone.id}/radius?basis=sent`);
		await until('its people are shown', async () => number(await page.locator('[data-basis=sent]').textContent()), (shown) => shown === people);
		assert.ok(page.url().includes(`vendor=${gone.id}`));
	},

	async 'trends: answers equal the API over measure, breakdown, filter, unit and a second event'(browser, at) {
		const { page, go } = await open(browser, at);
		const questions = [];
		page.on('request', (request) => { if (request.url().endsWith('/reports/segmentation')) questions.push(request.postDataJSON()); });
		await go('/trends');
		const answer = page.getByRole('region', { name: /^(Events|People)$/ }).first();
		await answer.locator('svg path').first().waitFor();
		await answer.getByRole('button', { name: 'Table' }).click();
		/** Waits for the question and compares every cell with the API's own answer to it. */
		const agrees = async (fits) => {
			const asked = await until('the question is asked', async () => questions.at(-1), (question) => question && fits(question));
			const { series, buckets, incomplete } = await at.api('/reports/segmentation', 'POST', asked);
			// Events may arrive meanwhile, so the buckets that are over are compared.
			const over = buckets.map((_, index) => index).filter((index) => !incomplete[index]);
			const wanted = over.map((index) => series.map((one) => one.values[index]));
			assert.ok(wanted.flat().some((value) => value > 0), 'a question without an answer proves nothing');
			const cells = async () => {
				const rows = await answer.locator('tbody tr').evaluateAll((all) => all.map((row) => [...row.querySelectorAll('td.numeric')].map((cell) => cell.textContent)));
				return over.map((index) => (rows[index] ?? []).map(number));
			};
			await until('table and API agree', cells, (shown) => JSON.stringify(shown) === JSON.stringify(wanted));
		};
		await agrees((question) => question.measure === 'total' && question.breakdown.length === 0);
		await page.getByRole('form', { name: 'Question' }).getByText('People', { exact: true }).click();
		await agrees((question) => question.measure === 'unique');
		await page.getByLabel('Event 1', { exact: true }).selectOption('$all');
		await page.getByLabel('Break down by').selectOption('$browser');
		await agrees((question) => question.breakdown[0] === '$browser' && question.events[0].event === '$all');
		await page.getByRole('button', { name: 'Add event' }).click();
		await agrees((question) => question.events.length === 2);
		await page.getByRole('button', { name: 'Remove event 2' }).click();
		await page.getByRole('button', { name: 'Add a filter to event 1' }).click();
		await page.getByLabel('Property of filter 1, event 1').selectOption('$browser');
		await page.getByLabel('Comparison of filter 1, event 1').selectOption('is_set');
		await agrees((question) => question.events.length === 1 && question.events[0].filters[0]?.op === 'is_set');
		await page.getByRole('form', { name: 'Question' }).getByText('Week', { exact: true }).click();
		await agrees((question) => question.unit === 'week');
		await page.getByRole('button', { name: 'Remove filter 1 of event 1' }).click();
		await agrees((question) => question.events[0].filters.length === 0);
		await answer.getByRole('button', { name: 'Chart' }).click();
		await answer.getByText('Bar', { exact: true }).click();
		await answer.locator('svg path').first().waitFor();
	}
};
