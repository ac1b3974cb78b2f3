// Sets the chosen colour scheme before the first paint, so that the page does not flash.
(function () {
	try {
		var chosen = localStorage.getItem('cofferdam.theme');
		if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
	} catch (error) {
		// Storage may be blocked; the system's scheme then holds.
	}
})();
