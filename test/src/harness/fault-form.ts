// Owns in which of its two forms a row of the fault matrix runs: the short one in `npm test`, the full one when it is asked for.

/** `REVEILLE_FAULTS=full`: more repetitions and longer load. */
export const fullForm = process.env["REVEILLE_FAULTS"] === "full";

/** The value for the form that runs now. */
export const inForm = <T>(short: T, full: T): T => (fullForm ? full : short);
