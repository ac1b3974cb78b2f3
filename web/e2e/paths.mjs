// Funnels, Retention, Flows: what is shown is what the API answers to the question in the form, and errors stand at their controls.
import assert from 'node:assert/strict';
import { number, open, until } from './lib.mjs';

const card = (page, name) => page.getByRole('region', { name, exact: true }).first();
const cells = (rows, column) => rows.evaluateAll((all, at) => all.map((row) => row.querySelectorAll('td')[at]?.textContent.trim()), column);

/** A page whose questions are kept, with a way to wait for one and to ask the API the same. */
async function asking(browser, at, report, path) {
	const opened = await open(browser, at);
	const questions = [];
	opened.page.on('request', (request) => { if (request.url().endsWith(`/reports/${report}`)) questions.push(request.postDataJSON()); });
	await opened.go(path);
	const asked = (fits) => until('the question is asked', async () => questions.at(-1), (question) => question && fits(question));
	const answer = async (fits) => at.api(`/reports/${report}`, 'POST', await asked(fits));
	return { ...opened, answer };
}

const link = (path, question) => `${path}?q=${encodeURIComponent(JSON.stringify(question))}`;
/** The API's own range: the month that ends today, but for today, so that nothing arrives meanwhile. */
async function month(at) {
	const { now, projects } = await at.api('/status');
	const day = (ago) => new Date(now - ago * 86_400_000).toISOString().slice(0, 10);
	return { project: projects[0].name, from: day(30), to: day(2) };
}

export const paths = {
	async 'funnels: steps, options and breakdown change the numbers as the API says; a link reproduces them'(browser, at) {
		const { page, go, answer } = await asking(browser, at, 'funnel', '/funnels');
		const steps = card(page, 'Steps');
		await steps.getByRole('button', { name: 'Table' }).click();
		const rows = steps.locator('tbody tr');
		const shown = async (column) => (await cells(rows, column)).map(number);
		const agrees = async (fits) => {
			const { steps: all, segments } = await answer(fits);
			const wanted = [...all, ...segments.flatMap((one) => one.steps)].map((one) => one.count).slice(0, 30);
			assert.ok(wanted[0] > 0, 'a funnel that nobody enters proves nothing');
			await until('table and API agree', () => shown(segments.length > 0 ? 2 : 1), (got) => JSON.stringify(got) === JSON.stringify(wanted));
			return all.map((one) => one.count);
		};
		await page.getByLabel('Through').fill((await month(at)).to);
		const loose = await agrees((question) => question.steps.length >= 2 && question.to !== undefined && question.order === 'loose');
		await page.locator('summary', { hasText: 'Options' }).click();
		await page.getByText('Strictly', { exact: true }).click();
		const strict = await agrees((question) => question.order === 'strict');
		assert.ok(strict.at(-1) < loose.at(-1), `strict order changes nothing: ${strict} and ${loose}`);
		await page.getByText('In order', { exact: true }).click();
		await page.getByLabel('Break down by').selectOption('$os');
		await agrees((question) => question.breakdown[0] === '$os' && question.order === 'loose');

		// By keyboard: the second step goes first, and the focus with it.
		const second = await page.getByLabel('Step 2', { exact: true }).inputValue();
		await page.getByRole('button', { name: /^Move step 2,/ }).focus();
		await page.keyboard.press('ArrowUp');
		await agrees((question) => question.steps[0].event === second);
		assert.match(await page.evaluate(() => document.activeElement.getAttribute('aria-label')), /^Move step 1,/);
		await page.getByRole('combobox', { name: 'Trend', exact: true }).selectOption('week');
		await card(page, 'Conversion by week').locator('svg path').first().waitFor();
		const before = await shown(2);
		await until('the address has the question', async () => page.url(), (url) => decodeURIComponent(url).includes('"trend":"week"'));
		await go(new URL(page.url()).pathname + new URL(page.url()).search);
		await steps.getByRole('button', { name: 'Table' }).click();
		await until('the link gives the same', () => shown(2), (got) => JSON.stringify(got) === JSON.stringify(before));
	},

	async 'funnels: what the API refuses is said at its control, without figures of another question'(browser, at) {
		const { page, go } = await open(browser, at);
		const range = await month(at);
		const { events } = await at.api(`/projects/${range.project}/schema`);
		const event = events.find((name) => !name.startsWith('$'));
		await go(link('/funnels', { ...range, steps: [{ event }, { event: `${event}x` }] }));
		const wrong = page.getByLabel('Step 2', { exact: true });
		await page.getByText(`No event \`${event}x\` has been seen`).waitFor();
		assert.equal(await wrong.getAttribute('aria-invalid'), 'true');
		assert.equal(await card(page, 'Steps').count(), 0, 'figures of another question');
		await page.getByRole('button', { name: event, exact: true }).click();
		await card(page, 'Steps').waitFor();
		assert.equal(await wrong.inputValue(), event);
		// An error at a rare choice opens the options.
		await go(link('/funnels', { ...range, steps: [{ event }, { event }], grace_ms: 70_000 }));
		await page.getByRole('group', { name: 'Grace' }).getByRole('alert').waitFor();
		await page.getByLabel('Grace, milliseconds').fill('2000');
		await card(page, 'Steps').waitFor();
	},

	async 'retention: cells and their table are those of the API; options change them; the arrow keys tell cells'(browser, at) {
		const { page, answer } = await asking(browser, at, 'retention', '/retention');
		const cohorts = card(page, 'Cohorts');
		const { to } = await month(at);
		await page.getByLabel('Through').fill(to);
		const all = (got) => got.cohorts.map((cohort) => cohort.counts);
		const agrees = async (fits) => {
			const got = await answer((question) => question.to === to && fits(question));
			assert.ok(all(got).flat().some((value) => value > 0), 'a cohort of nobody proves nothing');
			const wanted = got.cohorts.map((cohort) => [cohort.size, ...cohort.counts]).slice(0, 30);
			const shown = () => cohorts.locator('tbody tr').evaluateAll((rows) => rows.map((row) => [...row.querySelectorAll('td.numeric')].map((cell) => parseInt(cell.textContent.replaceAll(',', ''), 10))));
			await until('table and API agree', shown, (cells) => JSON.stringify(cells) === JSON.stringify(wanted));
			return got;
		};
		await cohorts.getByRole('button', { name: 'Table' }).click();
		const after = await agrees((question) => question.counted === 'on_or_after');
		await page.locator('summary', { hasText: 'Options' }).click();
		await page.getByText('On', { exact: true }).click();
		const on = await agrees((question) => question.counted === 'on');
		assert.notDeepEqual(all(on), all(after), 'what is counted changes nothing');
		await page.getByLabel('Ends of the buckets').fill('1, 3, 7');
		await page.getByLabel('Ends of the buckets').press('Enter');
		const bracketed = await agrees((question) => question.brackets?.length === 3);
		assert.deepEqual(bracketed.buckets, [[0, 0], [1, 2], [3, 6]]);
		await page.getByLabel('Break down by').selectOption('$os');
		const { segments } = await agrees((question) => question.breakdown[0] === '$os');
		const curves = card(page, 'Curves');
		await curves.getByRole('button', { name: 'Table' }).click();
		await until('every group has its row', () => cells(curves.locator('tbody tr'), 1), (sizes) => JSON.stringify(sizes.slice(1).map(number)) === JSON.stringify(segments.map((one) => one.size)));

		await cohorts.getByRole('button', { name: 'Chart' }).click();
		const row = bracketed.cohorts.findIndex((cohort, index) => cohort.size > 0 && bracketed.cohorts[index + 1]?.size > 0);
		await cohorts.locator('tbody tr').nth(row + 1).locator('button').first().focus();
		await page.keyboard.press('ArrowDown');
		await page.keyboard.press('ArrowRight');
		const { size, counts } = bracketed.cohorts[row + 1];
		await until('the cell is told', () => cohorts.getByRole('status').textContent(), (told) => told.includes(`Days 1–2: ${counts[1]} `) && told.includes(`of ${size} `));

		await page.getByLabel('Ends of the buckets').fill('3, 1');
		await page.getByLabel('Ends of the buckets').press('Enter');
		await page.getByRole('group', { name: 'Buckets', exact: true }).getByRole('alert').waitFor();
		assert.equal(await card(page, 'Cohorts').count(), 0, 'figures of another question');
	},

	async 'flows: links, paths and the list of narrow screens are those of the API; options change them'(browser, at) {
		const { page, answer } = await asking(browser, at, 'flows', '/flows');
		const drawing = card(page, 'Flows');
		const { to } = await month(at);
		await page.getByLabel('Through').fill(to);
		const agrees = async (fits) => {
			const got = await answer((question) => question.to === to && fits(question));
			assert.ok(got.paths > 0, 'the test needs a path');
			const wanted = got.links.map((link) => link.count).slice(0, 30);
			await until('table and API agree', async () => (await cells(drawing.locator('tbody tr'), 3)).map(number), (shown) => JSON.stringify(shown) === JSON.stringify(wanted));
			const top = await cells(card(page, 'Top paths').locator('tbody tr'), 1);
			assert.deepEqual(top.map(number), got.top.map((path) => path.count).slice(0, top.length));
			return got;
		};
		await drawing.locator('svg path').first().waitFor();
		await drawing.getByRole('button', { name: 'Table' }).click();
		const three = await agrees((question) => question.after === 3);
		await page.getByLabel('Steps before').fill('2');
		const both = await agrees((question) => question.before === 2);
		assert.ok(both.steps.length > three.steps.length);
		const hidden = three.links.find((link) => link.offset === 0 && !link.to.startsWith('$end')).to;
		await page.locator('summary', { hasText: 'Options' }).click();
		await page.getByLabel('Hide').selectOption(hidden);
		const without = await agrees((question) => question.hide[0] === hidden);
		assert.ok(!without.links.some((link) => link.to === hidden || link.from === hidden), 'a hidden event shows');

		await drawing.getByRole('button', { name: 'Chart' }).click();
		await page.setViewportSize({ width: 390, height: 844 });
		const anchor = without.steps.find((step) => step.offset === 0).events[0];
		await until('the list has the anchor', () => drawing.locator('ol').first().textContent(), (text) => text.includes(anchor.event) && text.includes(anchor.count.toLocaleString('en')));
		await page.getByLabel('Steps after').fill('11');
		await until('the field is marked', () => page.getByLabel('Steps after').getAttribute('aria-invalid'), (value) => value === 'true');
		await page.getByRole('form', { name: 'Question' }).getByRole('alert').waitFor();
		assert.equal(await card(page, 'Top paths').count(), 0, 'figures of another question');
	}
};
