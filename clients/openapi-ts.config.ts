export default {
  input: process.env.DOCUMENT,
  // Node runs TypeScript as it is, and needs the extension of a module that is imported.
  output: { path: 'generated/typescript', module: { extension: '.ts' } },
  plugins: ['@hey-api/typescript', '@hey-api/client-fetch', { name: '@hey-api/sdk', validator: true }, 'zod'],
};
