// Fields and Vendors: a click changes what is in force, and undo changes it back.
import assert from 'node:assert/strict';
import { accessible, open, send, until } from './lib.mjs';

const fieldOf = async (at, path) => (await at.api('/fields')).fields.find((field) => field.path === path);
const is = (state, category) => (field) => field?.state === state && (!category || field.category === category);

export const governance = {
	async 'fields: one click names a new field, undo takes it back, the picker names it otherwise, remove forgets'(browser, at) {
		const key = `zq${Date.now().toString(36)}`;
		const path = `properties.${key}`;
		await send(at.api, [{ event: 'E2E Field', [key]: 7 }]);
		await until('the field is new', () => fieldOf(at, path), is('new', 'unclassified'));
		const { page, go } = await open(browser, at);
		await go('/fields');
		const { vendors } = await at.api('/vendors');
		const clear = vendors.filter((vendor) => vendor.receives.some((line) => line.category === 'user.behavior' && line.form === 'clear'));
		assert.ok(clear.length > 0, 'the test needs a vendor that gets behavior as sent');
		const asks = page.getByRole('dialog', { name: 'Send this field as it is?' });
		await page.getByRole('button', { name: `Name ${path} user.behavior` }).click();
		await asks.waitFor();
		await accessible(page, 'the question before a field goes out');
		for (const vendor of clear) assert.ok((await asks.textContent()).includes(vendor.name + (vendor.delivery.state === 'contained' ? ' (contained' : '')), vendor.name);
		await page.keyboard.press('Escape');
		await asks.waitFor({ state: 'hidden' });
		assert.equal((await fieldOf(at, path)).state, 'new', 'closing the question must not name the field');
		await page.getByRole('button', { name: `Name ${path} user.behavior` }).click();
		await asks.getByRole('button', { name: /^Send it to / }).click();
		await page.getByText(`${path} is user.behavior now`).waitFor();
		await until('it is named', () => fieldOf(at, path), is('named', 'user.behavior'));
		await page.getByRole('button', { name: 'Undo' }).click();
		await until('it is new again', () => fieldOf(at, path), is('new', 'unclassified'));

		await page.getByRole('button', { name: `Choose another category for ${path}` }).click();
		const dialog = page.getByRole('dialog', { name: 'What is this field?' });
		await dialog.waitFor();
		await accessible(page, 'the category picker');
		const search = dialog.getByRole('combobox', { name: 'Search categories' });
		assert.ok(await search.evaluate((element) => element === document.activeElement), 'the picker does not take the focus');
		const { categories } = await at.api('/fields');
		assert.equal(await dialog.getByRole('option').count(), categories.length - 1, 'not every category can be picked');
		await page.keyboard.press('Escape');
		await dialog.waitFor({ state: 'hidden' });
		await page.getByRole('button', { name: `Choose another category for ${path}` }).click();
		await search.fill('job');
		// What people call it finds it; the first line is taken.
		await page.keyboard.press('Enter');
		await asks.getByRole('button', { name: /^Send it to / }).click();
		await until('the picked category holds', () => fieldOf(at, path), is('named', 'user.job_title'));

		await page.getByLabel('Search fields').fill(key);
		await page.getByRole('button', { name: `Change the category of ${path}` }).click();
		await search.fill('system.operations');
		await dialog.getByRole('option', { name: /^system\.operations/ }).click();
		await asks.getByRole('button', { name: /^Send it to / }).click();
		await until('the changed category holds', () => fieldOf(at, path), is('named', 'system.operations'));
		await page.getByText(`${path} is system.operations now`).waitFor();
		await page.getByRole('button', { name: 'Undo' }).last().click();
		await until('undo restores the category before', () => fieldOf(at, path), is('named', 'user.job_title'));
		await page.getByRole('button', { name: `Remove the rule for ${path}` }).click();
		await until('the rule is gone', () => fieldOf(at, path), is('new', 'unclassified'));
		// The row goes where the field is now, with what vendors get now.
		await page.getByRole('button', { name: `Choose another category for ${path}` }).waitFor();
		await page.getByText(`The rule for ${path} is gone`).waitFor();
		await page.getByRole('button', { name: 'Undo' }).last().click();
		await until('undo writes the rule again', () => fieldOf(at, path), is('named', 'user.job_title'));
		await page.getByRole('button', { name: `Remove the rule for ${path}` }).click();
		await until('the rule is gone for good', () => fieldOf(at, path), is('new', 'unclassified'));
	},

	async 'vendors: the list and the detail say what the API says'(browser, at) {
		const { page, go } = await open(browser, at);
		const { vendors } = await at.api('/vendors');
		await go('/vendors');
		assert.equal(await page.locator('tbody tr').count(), vendors.length);
		const vendor = vendors.find((one) => one.problems.length > 0) ?? vendors[0];
		await page.getByRole('link', { name: vendor.name, exact: true }).click();
		await page.getByRole('heading', { level: 1, name: vendor.name }).waitFor();
		const more = page.getByRole('button', { name: /^Show all/ });
		while ((await more.count()) > 0) await more.first().click();
		const text = await page.locator('main').textContent();
		for (const line of vendor.receives) assert.ok(text.includes(line.words), line.words);
		for (const problem of vendor.problems) assert.ok(text.includes(problem.message), problem.message);
		assert.ok(vendor.withheld.length > 0, 'the test needs a vendor from which something was withheld');
		const [most] = vendor.withheld;
		const row = page.getByRole('table', { name: 'What was withheld' }).getByRole('row').filter({ hasText: most.path }).first();
		assert.ok((await row.textContent()).includes(most.because), most.because);
		assert.ok(text.includes(vendor.contract.reference));
		await page.getByRole('link', { name: 'Blast radius' }).last().click();
		await page.getByRole('heading', { level: 1, name: 'Blast radius' }).waitFor();
		assert.equal(await page.getByRole('combobox', { name: 'Vendor' }).inputValue(), vendor.id);
	},

	async 'vendors: contain asks, stops the flow, shows on Live; resume starts it again'(browser, at) {
		const { vendors } = await at.api('/vendors');
		const vendor = vendors.find((one) => one.kind !== 'external' && one.delivery.state !== 'contained');
		assert.ok(vendor, 'the test needs a vendor that is not contained');
		const state = async () => (await at.api(`/vendors/${vendor.id}`)).delivery.state;
		const { page, go } = await open(browser, at);
		await go(`/vendors/${vendor.id}`);
		try {
			await page.getByRole('button', { name: 'Contain…' }).click();
			const dialog = page.getByRole('dialog', { name: `Stop everything to ${vendor.name}?` });
			await dialog.waitFor();
			await accessible(page, 'the contain dialog');
			const confirm = dialog.getByRole('button', { name: `Contain ${vendor.name}` });
			assert.ok(await confirm.isDisabled(), 'it must not go without a reason');
			assert.ok((await dialog.textContent()).includes('Give a reason to go on'));
			for (let press = 0; press < 8; press += 1) {
				await page.keyboard.press('Tab');
				const inside = await page.evaluate(() => document.activeElement === document.body || Boolean(document.activeElement?.closest('dialog')));
				assert.ok(inside, 'the focus leaves the dialog');
			}
			await page.keyboard.press('Escape');
			await dialog.waitFor({ state: 'hidden' });
			assert.notEqual(await state(), 'contained', 'Esc must not contain');

			await page.getByRole('button', { name: 'Contain…' }).click();
			await dialog.getByLabel('Reason').fill('browser test');
			await confirm.click();
			await page.getByRole('button', { name: 'Resume…' }).waitFor();
			assert.equal(await state(), 'contained');
			const act = page.getByText(/^Since .*\d\d:\d\d.*, by someone with the admin token\.$/);
			await act.waitFor();
			for (let reload = 0; reload < 5; reload += 1) {
				await page.reload();
				await act.waitFor();
			}
			const name = `E2E Contained ${Date.now()}`;
			await send(at.api, [{ event: name }]);
			const { events } = await until('the event is live', () => at.api('/live?limit=200'), ({ events: some }) => some.some((one) => one.event === name));
			const got = events.find((one) => one.event === name).vendors.find((one) => one.id === vendor.id);
			assert.deepEqual([got.given, got.refused?.reason], [[], 'contained']);
		} finally {
			if ((await state()) === 'contained') {
				await go(`/vendors/${vendor.id}`);
				await page.getByRole('button', { name: 'Resume…' }).click();
				await page.getByRole('button', { name: `Resume ${vendor.name}` }).click();
				await page.getByRole('button', { name: 'Contain…' }).waitFor();
			}
		}
		assert.notEqual(await state(), 'contained', 'resume does not resume');
	}
};
