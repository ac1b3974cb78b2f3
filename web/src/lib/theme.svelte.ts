// Light or dark: the system's wish unless the person chose.

type Choice = 'system' | 'light' | 'dark';
const KEY = 'cofferdam.theme';

class Theme {
	choice = $state<Choice>('system');
	#system = $state(false);

	constructor() {
		if (typeof window === 'undefined') return;
		const media = window.matchMedia('(prefers-color-scheme: dark)');
		this.#system = media.matches;
		media.addEventListener('change', (event) => (this.#system = event.matches));
		const chosen = document.documentElement.dataset.theme;
		if (chosen === 'light' || chosen === 'dark') this.choice = chosen;
	}

	get dark(): boolean {
		return this.choice === 'system' ? this.#system : this.choice === 'dark';
	}

	/** Switches to the other of light and dark; back at the system's own, it follows the system again. */
	toggle(): void {
		const dark = !this.dark;
		this.choice = dark === this.#system ? 'system' : dark ? 'dark' : 'light';
		const root = document.documentElement;
		if (this.choice === 'system') delete root.dataset.theme;
		else root.dataset.theme = this.choice;
		try {
			if (this.choice === 'system') localStorage.removeItem(KEY);
			else localStorage.setItem(KEY, this.choice);
		} catch {
			// The choice then lasts for this page.
		}
	}
}

export const theme = new Theme();
