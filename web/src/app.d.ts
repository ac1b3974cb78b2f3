// Ambient types of SvelteKit; nothing of ours is ambient.
declare global {
	// eslint-disable-next-line @typescript-eslint/no-namespace
	namespace App {}
}

export {};
