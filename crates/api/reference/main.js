// Shows openapi.json with Swagger UI, read-only. The plugin corrects what screen readers and the keyboard need, and leaves out
// what the page does not do: it sends no requests, so it asks for no API key and lets nobody choose a server.

const dark = matchMedia("(prefers-color-scheme: dark)");

function followTheme() {
  document.documentElement.classList.toggle("dark-mode", dark.matches);
}

// "#/Exports/create_export": the names as they are in the document.
function parseHash(hash) {
  return hash.replace(/^#?!?\/?/, "").split("/").map(decodeURIComponent);
}

function corrections({ React }) {
  const element = React.createElement;
  const none = () => () => null;
  const named = (name, original, props) => element(
    "label",
    null,
    element("span", { className: "hidden-text" }, name),
    element(original, props),
  );
  return {
    wrapComponents: {
      AuthorizeBtnContainer: none,
      CopyToClipboardBtn: none,
      ServersContainer: none,
      // Instead of a padlock without a function.
      authorizeOperationBtn: () => () => element("span", { className: "needs-key" }, "API key"),
      // A link inside of a button cannot be reached.
      DeepLink: () => ({ text }) => element("span", null, text),
      // Two controls without a name.
      contentType: (original) => (props) => element(original, { ariaLabel: "Media type", ...props }),
      ExamplesSelect: (original) => (props) => named("Example", original, props),
    },
    statePlugins: {
      layout: {
        actions: {
          // The original takes "_" in names for a space, and warns about it.
          parseDeepLinkHash: (hash) => ({ layoutActions, layoutSelectors }) => {
            const [tag, operation] = parseHash(hash);
            if (!tag) return;
            layoutActions.show(["operations-tag", tag], true);
            const shown = layoutSelectors.isShownKeyFromUrlHashArray([tag, operation]);
            layoutActions.show(shown, true);
            layoutActions.scrollTo(shown);
          },
        },
      },
    },
  };
}

dark.addEventListener("change", followTheme);
followTheme();
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  plugins: [corrections],
  supportedSubmitMethods: [],
  validatorUrl: null,
});
