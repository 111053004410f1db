// Started in a folder that holds `src` with the posts; OUT is where the pages go, seen from there.
module.exports = function (config) {
  config.addFilter("longDate", (date) => new Date(date).toLocaleDateString("en-US", { year: "numeric", month: "long", day: "numeric", timeZone: "UTC" }));
  config.addFilter("isoDate", (date) => new Date(date).toISOString());
  config.addFilter("rfc822", (date) => new Date(date).toUTCString());
  const newest = (api) => api.getFilteredByGlob("**/posts/*.md").sort((a, b) => b.date - a.date || (a.inputPath < b.inputPath ? 1 : -1));
  const link = (post) => post && { url: post.url, title: post.data.title };
  config.addCollection("posts", (api) => {
    const posts = newest(api);
    posts.forEach((post, at) => { post.data.newer = link(posts[at - 1]); post.data.older = link(posts[at + 1]); });
    return posts;
  });
  config.addCollection("tagPages", (api) => {
    const tagged = new Map();
    for (const post of newest(api))
      for (const tag of post.data.tags || []) { if (!tagged.has(tag)) tagged.set(tag, []); tagged.get(tag).push(post); };
    const pages = [];
    for (const [tag, posts] of [...tagged].sort()) {
      const total = Math.ceil(posts.length / 10);
      for (let at = 0; at < total; at++) pages.push({ tag, n: total, i: at + 1, posts: posts.slice(at * 10, at * 10 + 10) });
    }
    return pages;
  });
  return { dir: { input: "src", output: process.env.OUT, includes: "_includes" }, markdownTemplateEngine: false, htmlTemplateEngine: "njk" };
};
