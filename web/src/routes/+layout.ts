// One page app: nothing is rendered on a server, every path is the same file.
export const ssr = false;
export const prerender = false;
