// The signed-in session: an admin token, kept for this tab only.
// Invariant: the token leaves the URL before anything is rendered and is never written to storage that outlives the tab.

const KEY = 'cofferdam.token';

function stored(): string | null {
	try {
		return sessionStorage.getItem(KEY);
	} catch {
		return null;
	}
}

class Session {
	token = $state<string | null>(stored());
	/** Why the sign-in page is shown, when it was not the person's own wish. */
	notice = $state('');

	signIn(token: string): void {
		this.token = token;
		this.notice = '';
		try {
			sessionStorage.setItem(KEY, token);
		} catch {
			// Without storage the session lasts until the page is reloaded.
		}
	}

	signOut(notice = ''): void {
		this.token = null;
		this.notice = notice;
		try {
			sessionStorage.removeItem(KEY);
		} catch {
			// Nothing was stored then.
		}
	}
}

export const session = new Session();

/** The token in a fragment `#enroll=TOKEN`, or null. */
export function tokenOf(hash: string): string | null {
	const token = new URLSearchParams(hash.replace(/^#/, '')).get('enroll');
	return token && token.trim() !== '' ? token.trim() : null;
}

/** Moves the token of a sign-in link from the URL into the session. */
export function takeEnrolment(): void {
	const token = tokenOf(location.hash);
	if (!token) return;
	history.replaceState(history.state, '', location.pathname + location.search);
	session.signIn(token);
}
