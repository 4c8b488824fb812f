/** How the page is built: from web/ to static files in dist/web, and how the development server reaches a bastion. */
import react from "@vitejs/plugin-react";
import { defineConfig, loadEnv, type ProxyOptions } from "vite";

export default defineConfig(({ mode }) => {
  const { BARTIZAN_SERVER, BARTIZAN_DEV_PORT } = loadEnv(mode, import.meta.dirname, "BARTIZAN_");
  const server = BARTIZAN_SERVER || "http://127.0.0.1:7322";
  const port = Number(BARTIZAN_DEV_PORT || 7323);
  return {
    root: import.meta.dirname,
    plugins: [react()],
    build: {
      outDir: "../dist/web",
      emptyOutDir: true,
      target: "es2023",
      // A data: address for a script or a font would not pass the content policy.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      chunkSizeWarningLimit: 1000,
    },
    server: { host: "127.0.0.1", port, strictPort: true, proxy: { "/bartizan.v1.": proxyTo(server, port) } },
  };
});

/** Presents the page that this development server gave as the bastion's own; any other origin stays what it is. */
function proxyTo(server: string, port: number): ProxyOptions {
  const own = `http://127.0.0.1:${port}`;
  const asOwn = (request: { getHeader(name: string): unknown; setHeader(name: string, value: string): unknown }) => {
    if (request.getHeader("origin") === own) request.setHeader("origin", new URL(server).origin);
  };
  return {
    target: server,
    changeOrigin: true,
    ws: true,
    configure(proxy) {
      proxy.on("proxyReq", asOwn);
      proxy.on("proxyReqWs", asOwn);
    },
  };
}
