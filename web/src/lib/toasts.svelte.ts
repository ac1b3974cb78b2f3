// Short messages at the edge of the page, each with at most one action (such as undo).

export interface Toast {
	id: number;
	text: string;
	tone: 'done' | 'problem';
	action?: { label: string; run: () => void };
}

class Toasts {
	list = $state.raw<Toast[]>([]);
	#next = 1;

	show(text: string, options: { tone?: Toast['tone']; action?: Toast['action'] } = {}): void {
		const id = this.#next++;
		const toast: Toast = { id, text, tone: options.tone ?? 'done', action: options.action };
		this.list = [...this.list.slice(-2), toast];
		setTimeout(() => this.dismiss(id), options.action ? 12_000 : 6_000);
	}

	dismiss(id: number): void {
		this.list = this.list.filter((toast) => toast.id !== id);
	}
}

export const toasts = new Toasts();
