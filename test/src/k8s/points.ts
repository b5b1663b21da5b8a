// Owns the list of points, in their order.
import type { Point } from "./point.js";
import { configurationPoints } from "./points/configuration.js";
import { networkPoints } from "./points/network.js";
import { objectPoints } from "./points/objects.js";
import { probePoints } from "./points/probes.js";
import { releasePoints } from "./points/release.js";
import { scalingPoints } from "./points/scaling.js";
import { securityPoints } from "./points/security.js";
import { selectionPoints } from "./points/selection.js";
import { shutdownPoints } from "./points/shutdown.js";

export const points: readonly Point[] = [
  ...objectPoints,
  ...selectionPoints,
  ...probePoints,
  ...shutdownPoints,
  ...securityPoints,
  ...networkPoints,
  ...configurationPoints,
  ...scalingPoints,
  ...releasePoints,
].toSorted((one, other) => one.number - other.number);
