// Numbers of one step, as many as needed: what a ragged event is made of.

/** A list that, cleared, keeps its memory. */
export class Row {
  numbers = new Float64Array(8);
  length = 0;

  /** @param {number} x */
  push(x) {
    if (this.length === this.numbers.length) {
      const { numbers } = this;
      this.numbers = new Float64Array(2 * numbers.length);
      this.numbers.set(numbers);
    }
    this.numbers[this.length++] = x;
  }

  clear() {
    this.length = 0;
  }

  /** @param {number} i */
  at(i) {
    return this.numbers[i];
  }

  /**
   * Multiply all of them.
   *
   * @param {number} m
   */
  scale(m) {
    for (let i = 0; i < this.length; i++) this.numbers[i] *= m;
  }
}
