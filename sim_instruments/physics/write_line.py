"""From a pulse's voltage to the current densities in the layers of a track.

Layers conduct side by side: at a voltage V over a length l each carries J_k = V / (l rho_k). With the resistance R of
the line this is J_k = V / (R w) * (1 / rho_k) / sum_i(t_i / rho_i).
"""

from dataclasses import dataclass

from sim_instruments.physics.quantity import Positive


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteLine:
    """The layers that a write current takes."""

    length_m: Positive
    """Between the contacts."""
    width_m: Positive
    heavy_metal_thickness_m: Positive
    heavy_metal_resistivity_ohm_m: Positive
    magnet_thickness_m: Positive
    magnet_resistivity_ohm_m: Positive

    @property
    def resistance_ohm(self) -> float:
        """Return the resistance of the line."""
        sheet_s = (
            self.heavy_metal_thickness_m / self.heavy_metal_resistivity_ohm_m
            + self.magnet_thickness_m / self.magnet_resistivity_ohm_m
        )
        return self.length_m / self.width_m / sheet_s

    def heavy_metal_current_density_a_m2(self, voltage_v: float) -> float:
        """Return J in the heavy metal at a voltage across the line."""
        return voltage_v / (self.length_m * self.heavy_metal_resistivity_ohm_m)

    def magnet_current_density_a_m2(self, voltage_v: float) -> float:
        """Return J in the magnetic layer at a voltage across the line."""
        return voltage_v / (self.length_m * self.magnet_resistivity_ohm_m)
