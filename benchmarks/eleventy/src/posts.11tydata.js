module.exports = { layout: "post.njk", permalink: (post) => `/posts/${post.slug}/index.html` };
