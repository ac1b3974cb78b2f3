// What the browser tests share: a browser without any way out, the API beside it, and checks of accessibility.
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

/** Long enough for a machine that is busy with other work; a failing test takes as long, a passing one does not. */
const TIMEOUT = 60_000;

export const launch = () => chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: FLAGS });

/** The server that the sign-in link names: its address, token and API. */
export function server(link) {
	const url = new URL(link);
	const token = new URLSearchParams(url.hash.slice(1)).get('enroll');
	assert.ok(token, 'COFFERDAM_URL must be a sign-in link, http://…/#enroll=TOKEN');
	const api = async (path, method = 'GET', body = undefined) => {
		const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
		const answer = await fetch(`${url.origin}/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
		assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${await answer.clone().text()}`);
		return answer.json();
	};
	return { origin: url.origin, link, token, api };
}

/** Sends events as a browser SDK would, through the real intake. */
export async function send(api, events) {
	const { public_url, projects } = await api('/status');
	const project = projects[0];
	const body = events.map(({ event, ...properties }) => ({ event, properties: { token: project.token, distinct_id: 'e2e-person', ...properties } }));
	const answer = await fetch(`${public_url}/track?verbose=1`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
	assert.equal(answer.status, 200, await answer.text());
}

/** Asks until the answer fits; fails with the last one. */
export async function until(what, ask, fits, seconds = TIMEOUT / 1000) {
	const end = Date.now() + seconds * 1000;
	for (;;) {
		const answer = await ask();
		if (fits(answer)) return answer;
		if (Date.now() > end) assert.fail(`${what}: ${JSON.stringify(answer)?.slice(0, 500)}`);
		await new Promise((resolve) => setTimeout(resolve, 150));
	}
}

/** A signed-in page that fails the test on any error, foreign request or lost token. */
export async function open(browser, at, options = {}) {
	const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
	const page = await context.newPage();
	const problems = [];
	page.on('pageerror', (error) => problems.push(`page error: ${error.message}`));
	page.on('console', (message) => {
		if (message.type() === 'error' && !message.text().includes('status of 4')) problems.push(`console: ${message.text()}`);
	});
	page.on('request', (request) => {
		const url = request.url();
		if (!url.startsWith(at.origin) && !url.startsWith('data:') && !url.startsWith('blob:')) problems.push(`foreign request: ${url}`);
	});
	page.setDefaultTimeout(TIMEOUT);
	await page.goto(at.link);
	await page.locator('nav[aria-label=Pages]').waitFor({ state: 'attached' });
	return { page, context, problems, go: (path) => go(page, at, path) };
}

async function go(page, at, path) {
	await page.goto(at.origin + path);
	await page.locator('main h1').waitFor();
	await page.waitForFunction(() => document.querySelectorAll('.skeleton').length === 0, null, { timeout: TIMEOUT });
}

/** One h1, a title, names on all controls, labels that point somewhere, no double ids, nothing wider than the page. */
export async function accessible(page, where) {
	const found = await page.evaluate(() => {
		const problems = [];
		const visible = (element) => element.checkVisibility({ visibilityProperty: true });
		const text = (element) => (element?.textContent ?? '').trim();
		const named = (element) => {
			const by = (element.getAttribute('aria-labelledby') ?? '').split(' ').map((id) => text(document.getElementById(id))).join('');
			const labels = [...(element.labels ?? [])].map(text).join('');
			return Boolean(element.getAttribute('aria-label') || by || labels || (element.matches('button, a, summary') && text(element)) || element.getAttribute('title'));
		};
		for (const element of document.querySelectorAll('button, a[href], input, select, textarea, summary, dialog[open], [role="img"], [role="region"], [role="listbox"]')) {
			if (visible(element) && !named(element)) problems.push(`no name: ${element.outerHTML.slice(0, 120)}`);
		}
		const heads = [...document.querySelectorAll('h1')].filter(visible);
		if (heads.length !== 1) problems.push(`${heads.length} h1`);
		if (!/ · Cofferdam$/.test(document.title)) problems.push(`title: ${document.title}`);
		if (!document.documentElement.lang) problems.push('no lang');
		if (document.querySelectorAll('main').length !== 1) problems.push('not one main');
		const ids = [...document.querySelectorAll('[id]')].map((element) => element.id);
		for (const id of new Set(ids.filter((one, at) => ids.indexOf(one) !== at))) problems.push(`id twice: ${id}`);
		for (const element of document.querySelectorAll('[aria-controls], [aria-labelledby]')) {
			for (const name of ['aria-controls', 'aria-labelledby']) {
				const ref = element.getAttribute(name);
				if (ref && visible(element) && !document.getElementById(ref)) problems.push(`${name} points nowhere: ${ref}`);
			}
		}
		for (const image of document.querySelectorAll('img:not([alt])')) problems.push(`image without alt: ${image.src}`);
		const over = document.documentElement.scrollWidth - document.documentElement.clientWidth;
		if (over > 0) problems.push(`${over}px wider than the window`);
		return problems;
	});
	assert.deepEqual(found, [], `accessibility of ${where}`);
}

export const number = (text) => Number((text ?? '').replace(/[^0-9.-]/g, ''));
