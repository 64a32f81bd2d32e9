"""CoGAN: one GAN per domain, coupled by shared layers (thesis section 3.1)."""

from gantrain.trainers.gan import GAN


class CoGAN(GAN):
    """Coupled GAN (Liu and Tuzel 2016; thesis eq. 3.1), for k domains.

    Weights of G_1 ... G_k are the same in their first layers, those of D_1 ... D_k in their last.

    for t = 1, 2, ..., steps do
        for n_critic do
            x_i ~ p_data_i for every domain i, z ~ p_z       unpaired batches, one z
            D <- descend  sum_i adv_D(D_i(x_i), D_i(G_i(z))) + penalty(D_i)
        z ~ p_z
        G <- descend  sum_i adv_G(D_i(G_i(z)))

    A shared layer is one layer object: it collects the gradient of all domains and moves once.
    `--shared_layers` and `--d_shared_layers` say how many layers are shared.
    """

    domains_taken = (2, None)
