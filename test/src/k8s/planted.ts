// Owns the list of planted faults, by the number of their point.
import { objectsFaults } from "./planted/objects.js";
import type { Faults } from "./planted/plant.js";
import { runningFaults } from "./planted/running.js";
import { surroundingsFaults } from "./planted/surroundings.js";

export const planted: Faults = { ...objectsFaults, ...runningFaults, ...surroundingsFaults };
