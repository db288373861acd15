/**
 * Removes what processes that have ended left behind, one after the other: one that cannot be removed keeps no other.
 *
 * @module
 */

import { explain as withReason } from "../../links/explain.ts";
import { type LeftRoute, removeLeftRoute } from "../../links/route-leftovers.ts";
import { writeCommand } from "../../links/tracefs-removal.ts";
import { tracefs } from "../sys/paths.ts";
import type { Facts, OrphanedProbe } from "./doctor-facts.ts";
import { explain, say } from "./output.ts";

/** How each kind is removed; both throw what stands in the way. */
export interface Removers {
  readonly probe: (probe: OrphanedProbe) => void;
  readonly route: (route: LeftRoute) => void;
}

const REMOVERS: Removers = {
  probe: ({ list, name }) => {
    writeCommand(`${tracefs()}/${list}`, `-:${name}`, `remove probe ${name}`);
  },
  route: removeLeftRoute,
};

/** Tracefs is root's. */
const FOR_PROBES = "it takes root, or CAP_DAC_OVERRIDE";
const FOR_ROUTES = "it takes CAP_NET_ADMIN in the user namespace of the network";

/** Says of each what has become of it; how many could not be removed. */
export function removeLeftovers(
  { orphanedProbes, orphanedRoutes }: Pick<Facts, "orphanedProbes" | "orphanedRoutes">,
  removers: Removers = REMOVERS,
): number {
  const isRemoved = [
    ...orphanedProbes.map((probe) =>
      attempt(`probe ${probe.name}`, FOR_PROBES, () => removers.probe(probe)),
    ),
    ...orphanedRoutes.map((route) =>
      attempt(`the route to ${route.to}`, FOR_ROUTES, () => removers.route(route)),
    ),
  ];
  return isRemoved.filter((one) => !one).length;
}

/** Whether nothing failed. */
function attempt(what: string, needs: string, remove: () => void): boolean {
  try {
    remove();
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code === "EBUSY") {
      say(`left ${what} alone: something still uses it, such as a pinned link`);
      return true;
    }
    // Somebody else was quicker.
    if (code !== "ENOENT") {
      const reasons = { EPERM: needs, EACCES: needs };
      say(explain(withReason(error, `cannot remove ${what}`, reasons)));
      return false;
    }
  }
  say(`removed ${what}, which a process that has ended left`);
  return true;
}
