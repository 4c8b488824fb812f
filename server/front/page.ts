/** The page: static files that were built before, read once at the start, under a policy that lets nothing foreign in. */
import { readdir, readFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { extname, join, relative, sep } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import type { NodeRequest, NodeResponse } from "./adapter.ts";
import { pageHeaders } from "./answer-headers.ts";

const contentTypes: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".ico": "image/x-icon",
  ".woff2": "font/woff2",
  ".json": "application/json; charset=utf-8",
  ".webmanifest": "application/manifest+json; charset=utf-8",
  ".txt": "text/plain; charset=utf-8",
};

const notBuilt = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>bartizan</title>
<h1>The page is not built yet</h1>
<p>Run <code>npm run build:web</code> in the checkout and start the server again. The command line works without it:
<code>npx bartizan targets</code>.</p>
</html>
`;

/** Files smaller than this are sent as they are. */
const worthCompressingBytes = 1024;
const compressible = /^(text|application)\/|svg/;
/** Their names change with their contents. */
/** In a group a session's id has a dot of its own. */
const ofSession = /^\/watch\/[a-z0-9]+\.[a-z0-9]+-[A-Za-z0-9]+$/;
const hashed = /^\/assets\//;

interface File {
  readonly type: string;
  readonly cache: string;
  readonly plain: Buffer;
  /** Made when first asked for, then kept. */
  readonly packed: Map<Encoding, Promise<Buffer>>;
}
type Encoding = "br" | "gzip";

export interface Page {
  /** False: this is no request for the page. It answers GET and HEAD; what it takes it answers. */
  serve(request: NodeRequest, response: NodeResponse): boolean;
}

/** Reads every file below `folder`; a folder that is missing or empty makes a page that says what to do. */
export async function readPage(folder: string): Promise<Page> {
  const files = await readFiles(folder);
  const index = files.get("/index.html");
  return {
    serve(request, response) {
      if (request.method !== "GET" && request.method !== "HEAD") return false;
      // Looked up as it stands, not decoded: a name that is not in the index is not there, however it is written.
      const path = (request.url ?? "/").split("?", 1)[0] ?? "/";
      const named = path.includes(".") && !ofSession.test(path);
      const isView = path === "/" || (!named && /\btext\/html\b/.test(request.headers.accept ?? ""));
      const file = isView ? index : files.get(path);
      if (file !== undefined) void send(file, request, response);
      else if (isView) answer(response, 503, fileOf("/index.html", Buffer.from(notBuilt)), request.method === "HEAD");
      else return false;
      return true;
    },
  };
}

async function readFiles(folder: string): Promise<ReadonlyMap<string, File>> {
  const files = new Map<string, File>();
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    if (!entry.isFile()) continue; // a link could lead anywhere
    const file = join(entry.parentPath, entry.name);
    const path = `/${relative(folder, file).split(sep).join("/")}`;
    files.set(path, fileOf(path, await readFile(file)));
  }
  return files;
}

function fileOf(path: string, plain: Buffer): File {
  const type = contentTypes[extname(path)] ?? "application/octet-stream";
  const lasting = type.startsWith("text/html") ? "no-store" : "no-cache";
  const cache = hashed.test(path) ? "public, max-age=31536000, immutable" : lasting;
  return { type, cache, plain, packed: new Map() };
}

async function send(file: File, request: NodeRequest, response: NodeResponse): Promise<void> {
  const accepted = request.headers["accept-encoding"];
  const encoding = encodingFor(file, typeof accepted === "string" ? accepted : "");
  const body = encoding === undefined ? file.plain : await packed(file, encoding);
  answer(response, 200, file, request.method === "HEAD", encoding, body);
}

function answer(
  response: NodeResponse,
  status: number,
  file: File,
  headOnly: boolean,
  encoding?: Encoding,
  body: Buffer = file.plain,
): void {
  if (response.headersSent || response.destroyed) return;
  (response as ServerResponse).writeHead(status, {
    ...pageHeaders,
    "content-type": file.type,
    "content-length": body.length,
    "cache-control": file.cache,
    vary: "accept-encoding",
    ...(encoding === undefined ? {} : { "content-encoding": encoding }),
  });
  if (headOnly) response.end();
  else response.end(body);
}

function encodingFor({ type, plain }: File, accepted: string): Encoding | undefined {
  if (plain.length < worthCompressingBytes || !compressible.test(type)) return undefined;
  const refused = (name: Encoding) => new RegExp(`\\b${name}\\s*;\\s*q=0(\\.0*)?\\s*(,|$)`).test(accepted);
  const takes = (name: Encoding) => new RegExp(`\\b${name}\\b`).test(accepted) && !refused(name);
  return takes("br") ? "br" : takes("gzip") ? "gzip" : undefined;
}

/** Static files alone are compressed, never an answer that holds a secret. */
function packed(file: File, encoding: Encoding): Promise<Buffer> {
  let made = file.packed.get(encoding);
  if (made === undefined) {
    const brotli = { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } };
    made =
      encoding === "br" ? promisify(brotliCompress)(file.plain, brotli) : promisify(gzip)(file.plain, { level: 9 });
    file.packed.set(encoding, made);
  }
  return made;
}
