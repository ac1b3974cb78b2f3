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
	}
};
