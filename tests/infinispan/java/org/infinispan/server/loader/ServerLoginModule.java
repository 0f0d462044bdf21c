package org.infinispan.server.loader;

import java.util.function.BiPredicate;

/** Of Infinispan 15's loader, which is not on Maven Central, as much as the server refers to: logins by JMX. */
public class ServerLoginModule {
    public static void setAuthenticator(BiPredicate<String, char[]> authenticator) {
    }
}
