import { defineConfig } from "vitest/config";
import solid from "vite-plugin-solid";

// The page is part of the binary and of the repository: names without hashes, so that a change shows as a change of the
// same file, and what is served is checked by its ETag instead.
export default defineConfig({
  plugins: [solid()],
  resolve: { alias: { "@contracts": new URL(".gen/llmsre", import.meta.url).pathname } },
  build: {
    outDir: "../page",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: false,
    assetsInlineLimit: 0,
    rolldownOptions: {
      output: {
        entryFileNames: "assets/[name].js",
        chunkFileNames: "assets/[name].js",
        assetFileNames: "assets/[name][extname]",
      },
    },
  },
  // What is tested needs no page; the plugin would ask for one.
  test: { environment: "node" },
  server: { proxy: { "^/llmsre\\.": "http://127.0.0.1:8080" } },
});
