// Rules for qnviz/web beyond what tsc finds. Modules that compute see no page: see COMPUTING.

import js from "@eslint/js";
import globals from "globals";

const COMPUTING = [
  "engine/**/*",
  "columns",
  "numbers",
  "player/axes",
  "player/model",
  "scale",
  "player/strip_plan",
  "map/cells",
  "pair/frame",
  "pair/labels",
  "pair/shapes",
  "pair/state",
  "pair/words",
  "share/link",
].map((name) => `qnviz/web/${name}.js`);

const FIELDS_BY_ASSIGN =
  "CallExpression[callee.object.name=Object][callee.property.name=assign][arguments.0.type=ThisExpression]";

export default [
  { ignores: ["**/*", "!qnviz/", "!qnviz/web/**", "!*.js"] },
  js.configs.recommended,
  {
    languageOptions: { ecmaVersion: 2024 },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      eqeqeq: ["error", "always", { null: "ignore" }],
      "no-restricted-syntax": [
        "error",
        { selector: FIELDS_BY_ASSIGN, message: "Declare the fields of a class." },
      ],
      "no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
      "no-var": "error",
      "object-shorthand": "error",
      "prefer-const": ["error", { destructuring: "all" }],
    },
  },
  { files: ["qnviz/web/**"], languageOptions: { globals: globals.browser } },
  {
    files: COMPUTING,
    languageOptions: {
      globals: {
        ...Object.fromEntries(Object.keys(globals.browser).map((name) => [name, "off"])),
        ...globals["shared-node-browser"],
      },
    },
  },
];
