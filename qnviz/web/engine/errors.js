// What the engine refuses, in a sentence for people.

export class EngineError extends Error {
  name = "EngineError";
}
