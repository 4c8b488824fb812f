/** What a browser is shown that came under a name the server does not go by: why, and what to add. No script, nothing loaded. */

export const wrongHostPolicy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";

/** `host`: as the request had it, whatever that is. Tells nothing of the server but that it is one. */
export function wrongHostPage(host: string | undefined): string {
  // Nothing that a host name cannot have comes onto the page.
  const name = /^[A-Za-z0-9.:[\]-]{1,255}$/.test(host ?? "") ? ` <code>${host}</code>` : "";
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>bartizan: not this server's name</title>
<style>
body { max-width: 40em; margin: 3em auto; padding: 0 1em; font: 16px/1.5 system-ui, sans-serif; color-scheme: light dark; }
h1 { font-size: 1.4em; }
</style>
<h1>This server does not go by the name${name}</h1>
<p>Its config says which names it has. Add this one there, and start the server again:</p>
<ul>
<li>the server's own name: to <code>listen.names</code>, without the port;</li>
<li>a balancer's address, as clients see it: as <code>group.url</code>, with the port; a node's own address behind it as
<code>group.address</code>.</li>
</ul>
<p>You did not choose this name? Then close this page: somebody led your browser here.</p>
<section lang="zh">
<h1>此服务器不使用名称${name}</h1>
<p>其名称由配置决定。请将此名称加入配置并重新启动服务器：服务器自己的名称写入 <code>listen.names</code>（不含端口）；
客户端所见的负载均衡器地址写入 <code>group.url</code>（含端口）；其后单个节点的地址写入 <code>group.address</code>。</p>
<p>若此名称并非您所选，请关闭此页面：有人将您的浏览器引到了这里。</p>
</section>
</html>
`;
}
