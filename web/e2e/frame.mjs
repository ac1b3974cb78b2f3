// Sign-in, the frame around the pages, and what must hold on every page.
import assert from 'node:assert/strict';
import { accessible, open } from './lib.mjs';

const PAGES = ['/', '/live', '/fields', '/vendors', '/radius', '/trends', '/funnels', '/retention', '/flows', '/connect'];

export const frame = {
	async 'sign-in: a link enrols and leaves the URL, a wrong token is refused, sign-out forgets'(browser, at) {
		const context = await browser.newContext();
		const page = await context.newPage();
		await page.goto(`${at.origin}/vendors`);
		await page.getByRole('heading', { name: 'Sign in to Cofferdam' }).waitFor();
		await accessible(page, 'sign-in');
		const field = page.getByLabel('Admin token or sign-in link');
		await field.fill('not-the-token');
		await page.getByRole('button', { name: 'Sign in' }).click();
		await page.getByText('This token is not the one of this server.').waitFor();
		assert.equal(await page.evaluate(() => sessionStorage.length), 0);

		await field.fill(at.link);
		await page.getByRole('button', { name: 'Sign in' }).click();
		await page.getByRole('heading', { level: 1, name: 'Vendors' }).waitFor();
		await page.getByRole('button', { name: 'Sign out' }).click();
		await page.getByRole('heading', { name: 'Sign in to Cofferdam' }).waitFor();
		assert.equal(await page.evaluate(() => sessionStorage.length), 0);

		await page.goto('about:blank');
		await page.goto(at.link);
		await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
		assert.equal(await page.evaluate(() => location.hash), '', 'the token stays in the URL');
		const kept = await page.evaluate(() => [Object.values(sessionStorage).join(), Object.values(localStorage).join(), document.cookie]);
		assert.ok(kept[0].includes(at.token));
		assert.ok(!kept[1].includes(at.token) && kept[2] === '', 'the token outlives the tab');
		await page.goBack().catch(() => {});
		assert.ok(!page.url().includes(at.token), 'the token is in the history');
	},

	async 'every page: accessible, at 1440 and 390 px, light and dark, without errors or foreign requests'(browser, at) {
		const { vendors } = await at.api('/vendors');
		const pages = [...PAGES, ...vendors.slice(0, 1).map((vendor) => `/vendors/${vendor.id}`), '/no-such-page'];
		for (const [width, colorScheme] of [[1440, 'light'], [390, 'dark']]) {
			const { page, context, problems, go } = await open(browser, at, { viewport: { width, height: 844 }, colorScheme });
			for (const path of pages) {
				await go(path);
				await accessible(page, `${path} at ${width}`);
			}
			assert.deepEqual(problems, []);
			await context.close();
		}
	},

	async 'frame: skip link, menu on narrow screens, theme is kept, health is shown'(browser, at) {
		const { page, go } = await open(browser, at, { colorScheme: 'light' });
		await go('/fields');
		await page.keyboard.press('Tab');
		assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'Skip to content');
		await page.keyboard.press('Enter');
		assert.equal(await page.evaluate(() => document.activeElement?.id), 'content');
		assert.ok(await page.getByText('Accepting events').isVisible());

		const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
		const light = await background();
		await page.getByRole('button', { name: 'Dark' }).click();
		assert.notEqual(await background(), light);
		const dark = await background();
		await page.reload();
		await page.getByRole('button', { name: 'Light' }).waitFor();
		assert.equal(await background(), dark, 'the theme is lost on reload');
		await page.getByRole('button', { name: 'Light' }).click();
		assert.equal(await page.evaluate(() => localStorage.length), 0, 'back at the system, nothing is stored');

		await page.setViewportSize({ width: 390, height: 844 });
		const trends = page.getByRole('link', { name: 'Trends' });
		assert.ok(!(await trends.isVisible()));
		await page.getByRole('button', { name: 'Menu', exact: true }).click();
		await trends.waitFor();
		await page.keyboard.press('Escape');
		await trends.waitFor({ state: 'hidden' });
		await page.getByRole('button', { name: 'Menu', exact: true }).click();
		await trends.click();
		await page.getByRole('heading', { level: 1, name: 'Trends' }).waitFor();
		await trends.waitFor({ state: 'hidden' });
	},

	async 'server away: the way around works, what is shown is marked as old, and it comes back'(browser, at) {
		const { page, context, go } = await open(browser, at);
		await page.clock.install();
		await go('/live');
		await page.getByText('Refreshes every 2.5 s').waitFor();
		await page.waitForLoadState('networkidle');
		await context.setOffline(true);
		const unknown = page.getByText(/^Unknown since \d\d:\d\d$/);
		// Two polls of the list, each begun when the one before has failed.
		for (let turn = 0; turn < 40 && (await unknown.count()) < 2; turn += 1) await page.clock.runFor(1_000);
		assert.equal(await unknown.count(), 2, 'the list and the sidebar do not say that they are old');
		assert.equal(await page.getByText('Accepting events').count(), 0);
		await page.getByRole('link', { name: 'Trends' }).click();
		await page.getByRole('heading', { level: 1, name: 'Trends' }).waitFor();
		await page.getByText('The server cannot be reached').locator('visible=true').first().waitFor();
		assert.equal(await page.getByText('Something broke').count(), 0);
		await context.setOffline(false);
		await page.getByRole('button', { name: 'Try again' }).locator('visible=true').first().click();
		await page.getByText('Accepting events').waitFor();
	},

	async 'connect: the snippet carries the token and the intake address'(browser, at) {
		const { page, go } = await open(browser, at);
		const { public_url, projects } = await at.api('/status');
		await go('/connect');
		for (const language of ['Browser', 'Node', 'Python', 'curl']) {
			await page.getByText(language, { exact: true }).click();
			const code = await page.getByLabel('Snippet', { exact: true }).textContent();
			assert.ok(code.includes(projects[0].token), language);
			assert.ok(code.includes(new URL(public_url).host), language);
		}
		await page.context().grantPermissions(['clipboard-read', 'clipboard-write'], { origin: at.origin });
		await page.getByRole('button', { name: 'Copy the snippet' }).click();
		await page.getByText('Copied').waitFor();
		assert.equal(await page.evaluate(() => navigator.clipboard.readText()), await page.getByLabel('Snippet', { exact: true }).textContent());
	}
};
